#include "kernels/norm.h"

#include <cmath>

#include "kernels/leaf.h"

namespace saccade {

void rms_norm(const float* x, const float* weight, float epsilon, int64_t num_rows, int64_t dim, float* y) {
  const Leaf& leaf = active_leaf();
  for (int64_t row = 0; row < num_rows; ++row, x += dim, y += dim) {
    const float mean_square = leaf.sum_squares(x, 0, dim) / static_cast<float>(dim);
    leaf.normalize(x, 0, 1.0f / std::sqrt(mean_square + epsilon), weight, nullptr, y, dim);
  }
}

void layer_norm(const float* x, const float* weight, const float* bias, float epsilon, int64_t num_rows, int64_t dim,
                float* y) {
  const Leaf& leaf = active_leaf();
  for (int64_t row = 0; row < num_rows; ++row, x += dim, y += dim) {
    const float mean = leaf.sum(x, dim) / static_cast<float>(dim);
    const float variance = leaf.sum_squares(x, mean, dim) / static_cast<float>(dim);
    leaf.normalize(x, mean, 1.0f / std::sqrt(variance + epsilon), weight, bias, y, dim);
  }
}

}  // namespace saccade
