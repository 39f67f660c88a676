// A linear layer of a vision tower or projector: weights as they lie in the file, bias as f32.
#pragma once

#include <cstdint>
#include <string>

#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/model_files.h"

namespace saccade {

/// `weight` looks into the file that it came from, which must outlive the layer.
struct LinearLayer {
  TensorView weight;  // [out_dim, in_dim]
  Tensor bias;        // [out_dim], or empty
};

/// Takes `<name>.weight` and, if there is one, `<name>.bias`. Errors: as TensorSource::take.
Expected<LinearLayer> load_linear(const TensorSource& tensors, const std::string& name, int64_t out_dim,
                                  int64_t in_dim);

/// y = x W^T + bias, or y += ... when `accumulate`. x [num_rows, in_dim] and y [num_rows, out_dim] are contiguous.
void apply_linear(ThreadPool& pool, const LinearLayer& layer, const float* x, int64_t num_rows, float* y,
                  bool accumulate = false);

}  // namespace saccade
