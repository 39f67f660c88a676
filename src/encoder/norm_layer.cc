#include "encoder/norm_layer.h"

#include "kernels/norm.h"

namespace saccade {

Expected<NormLayer> load_norm(const TensorSource& tensors, const std::string& name, NormKind kind, int64_t dim,
                              float epsilon) {
  NormLayer norm;
  norm.kind = kind;
  norm.epsilon = epsilon;
  SACCADE_ASSIGN_OR_RETURN(norm.weight, tensors.take_as_f32(name + ".weight", Shape{dim}));
  if (kind == NormKind::kLayerNorm) {
    SACCADE_ASSIGN_OR_RETURN(norm.bias, tensors.take_as_f32_if_present(name + ".bias", Shape{dim}));
  }
  return norm;
}

void apply_norm(ThreadPool& pool, const NormLayer& norm, const float* x, int64_t num_rows, float* y) {
  const int64_t dim = norm.weight.shape()[0];
  const float* weight = norm.weight.floats().data();
  if (norm.kind == NormKind::kRmsNorm) {
    rms_norm(pool, x, weight, norm.epsilon, num_rows, dim, y);
    return;
  }
  const float* bias = norm.bias.is_empty() ? nullptr : norm.bias.floats().data();
  layer_norm(pool, x, weight, bias, norm.epsilon, num_rows, dim, y);
}

}  // namespace saccade
