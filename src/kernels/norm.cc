#include "kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/leaf.h"

namespace saccade {
namespace {

/// Rows that one thread takes at a time: some 16,000 elements.
int64_t grain_of(int64_t dim) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, dim));
}

}  // namespace

void rms_norm(ThreadPool& pool, const float* x, const float* weight, float epsilon, int64_t num_rows, int64_t dim,
              float* y) {
  const Leaf& leaf = active_leaf();
  pool.parallel_for(num_rows, grain_of(dim), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      const float mean_square = leaf.sum_squares(x + row * dim, 0, dim) / static_cast<float>(dim);
      leaf.normalize(x + row * dim, 0, 1.0f / std::sqrt(mean_square + epsilon), weight, nullptr, y + row * dim, dim);
    }
  });
}

void layer_norm(ThreadPool& pool, const float* x, const float* weight, const float* bias, float epsilon,
                int64_t num_rows, int64_t dim, float* y) {
  const Leaf& leaf = active_leaf();
  pool.parallel_for(num_rows, grain_of(dim), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      const float mean = leaf.sum(x + row * dim, dim) / static_cast<float>(dim);
      const float variance = leaf.sum_squares(x + row * dim, mean, dim) / static_cast<float>(dim);
      leaf.normalize(x + row * dim, mean, 1.0f / std::sqrt(variance + epsilon), weight, bias, y + row * dim, dim);
    }
  });
}

}  // namespace saccade
