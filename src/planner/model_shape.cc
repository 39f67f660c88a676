#include "planner/model_shape.h"

namespace saccade {

double TowerShape::num_weights() const {
  const auto width = static_cast<double>(dim);
  const double layer = 4 * width * width + ffn_matrices * width * static_cast<double>(ffn_dim);
  return static_cast<double>(num_layers) * layer + width * static_cast<double>(patch_elements) + projector_weights;
}

double DecoderShape::weights_per_layer() const {
  const auto width = static_cast<double>(model_dim);
  return width * static_cast<double>(2 * q_dim + 2 * kv_dim + 3 * ffn_dim);
}

double DecoderShape::num_weights() const {
  return static_cast<double>(num_layers) * weights_per_layer() + static_cast<double>(vocab_size * model_dim);
}

}  // namespace saccade
