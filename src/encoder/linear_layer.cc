#include "encoder/linear_layer.h"

#include <utility>

#include "kernels/matmul.h"

namespace saccade {

Expected<LinearLayer> load_linear(const TensorSource& tensors, const std::string& name, int64_t out_dim,
                                  int64_t in_dim) {
  LinearLayer layer;
  SACCADE_ASSIGN_OR_RETURN(layer.weight, tensors.take(name + ".weight", Shape{out_dim, in_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.bias, tensors.take_as_f32_if_present(name + ".bias", Shape{out_dim}));
  return layer;
}

void apply_linear(ThreadPool& pool, const LinearLayer& layer, const float* x, int64_t num_rows, float* y,
                  bool accumulate) {
  linear(pool, x, num_rows, layer.weight, layer.bias, y, accumulate);
}

}  // namespace saccade
