// A linear layer of a vision tower or projector.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/linear.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/model_files.h"

namespace saccade {

/// `weight` looks into the file that it came from, which must outlive the layer.
struct LinearLayer {
  WeightMatrix weight;  // [out_dim, in_dim]
  Tensor bias;          // [out_dim], or empty

  int64_t out_dim() const { return weight.n(); }
  int64_t in_dim() const { return weight.k(); }
  /// What linear() takes: y [num_rows, out_dim] = x W^T + bias.
  LinearOutput to(float* y) const { return {.weight = &weight, .bias = bias, .y = y}; }
};

/// Takes `<name>.weight` and, if there is one, `<name>.bias`. Errors: as TensorSource::take.
Expected<LinearLayer> load_linear(const TensorSource& tensors, const std::string& name, int64_t out_dim,
                                  int64_t in_dim);

}  // namespace saccade
