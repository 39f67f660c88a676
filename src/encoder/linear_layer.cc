#include "encoder/linear_layer.h"

#include <utility>

namespace saccade {

Expected<LinearLayer> load_linear(const TensorSource& tensors, const std::string& name, int64_t out_dim,
                                  int64_t in_dim) {
  LinearLayer layer;
  SACCADE_ASSIGN_OR_RETURN(layer.weight, tensors.take(name + ".weight", Shape{out_dim, in_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.bias, tensors.take_as_f32_if_present(name + ".bias", Shape{out_dim}));
  return layer;
}

}  // namespace saccade
