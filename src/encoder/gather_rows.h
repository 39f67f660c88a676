// Rows picked from a matrix, and groups of them as one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace saccade {

/// [num_indices, dim]: the rows of `rows` [.., dim] that `indices` name, in that order.
Tensor gather_rows(const Tensor& rows, std::span<const int32_t> indices);

/// [num_indices / group_size, dim]: the mean of each `group_size` rows that `indices` name.
Tensor mean_of_groups(const Tensor& rows, std::span<const int32_t> indices, int64_t group_size);

/// The sum of each `group_size` values that `indices` name.
std::vector<float> sum_of_groups(std::span<const float> values, std::span<const int32_t> indices, int64_t group_size);

}  // namespace saccade
