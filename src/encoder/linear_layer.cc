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
  MatmulArgs args;
  args.x = x;
  args.x_stride = layer.weight.shape[1];
  args.weight = layer.weight;
  args.bias = layer.bias.is_empty() ? nullptr : layer.bias.floats().data();
  args.y = y;
  args.y_stride = layer.weight.shape[0];
  args.m = num_rows;
  args.accumulate = accumulate;
  matmul(pool, args);
}

}  // namespace saccade
