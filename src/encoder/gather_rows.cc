#include "encoder/gather_rows.h"

#include <algorithm>
#include <cassert>

namespace saccade {

Tensor gather_rows(const Tensor& rows, std::span<const int32_t> indices) {
  const int64_t dim = rows.shape()[1];
  Tensor gathered(Shape{static_cast<int64_t>(indices.size()), dim});
  float* target = gathered.floats().data();
  for (const int32_t idx : indices) target = std::copy_n(rows.row(idx).data(), dim, target);
  return gathered;
}

Tensor mean_of_groups(const Tensor& rows, std::span<const int32_t> indices, int64_t group_size) {
  assert(static_cast<int64_t>(indices.size()) % group_size == 0);
  Tensor means(Shape{static_cast<int64_t>(indices.size()) / group_size, rows.shape()[1]});
  means.fill(0);
  const float factor = 1.0F / static_cast<float>(group_size);
  for (size_t i = 0; i < indices.size(); ++i) {
    const std::span<const float> source = rows.row(indices[i]);
    const std::span<float> target = means.row(static_cast<int64_t>(i) / group_size);
    for (size_t col = 0; col < source.size(); ++col) target[col] += factor * source[col];
  }
  return means;
}

std::vector<float> sum_of_groups(std::span<const float> values, std::span<const int32_t> indices, int64_t group_size) {
  assert(static_cast<int64_t>(indices.size()) % group_size == 0);
  std::vector<float> sums(indices.size() / static_cast<size_t>(group_size), 0.0F);
  for (size_t i = 0; i < indices.size(); ++i) {
    sums[i / static_cast<size_t>(group_size)] += values[static_cast<size_t>(indices[i])];
  }
  return sums;
}

}  // namespace saccade
