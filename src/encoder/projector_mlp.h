// The projector of LLaVA and of Qwen2-VL's merger: two linear layers with GELU (erf) between them.
#pragma once

#include <cstdint>
#include <string>

#include "encoder/linear_layer.h"
#include "encoder/work_progress.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/metadata.h"
#include "weights/model_files.h"

namespace saccade {

class ProjectorMlp {
 public:
  /// Takes mm.0.* [hidden, in_dim] and mm.2.* [model_dim, hidden]. Errors name the tensor; a projector for a language
  /// model of another width is told as such.
  static Expected<ProjectorMlp> load(const TensorSource& tensors, const Metadata& metadata, int64_t in_dim,
                                     int64_t model_dim);

  /// Multiply-adds of project().
  double work(int64_t num_rows) const { return static_cast<double>(num_rows) * work_per_row(); }

  /// Packs the weights for the active ISA.
  void pack_weights(ThreadPool& pool);

  /// x [num_rows, in_dim] (its elements; any shape of that size) to [num_rows, model_dim]. Adds work() to `progress`.
  /// Errors: kCancelled.
  Expected<Tensor> project(ThreadPool& pool, const Tensor& x, WorkProgress& progress) const;

 private:
  double work_per_row() const {
    return static_cast<double>(first_.weight.shape().num_elements() + second_.weight.shape().num_elements());
  }

  LinearLayer first_;
  LinearLayer second_;
};

/// Checks, ahead of taking it, that the projector's last layer `name` is as wide as the language model. A layer that
/// is not there passes: taking it will tell.
Status check_projects_to(const TensorSource& tensors, const std::string& name, int64_t model_dim);

}  // namespace saccade
