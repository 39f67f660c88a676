// Grids of visual tokens, row by row, as every family hands them on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "encoder/media_tokens.h"
#include "tensor/tensor.h"

namespace saccade {

/// The layout of a still picture's grid.
TokenGrid make_token_grid(int64_t rows, int64_t cols);

/// The grid itself: vectors [rows * cols, model_dim], row by row.
MediaTokens make_grid_tokens(Tensor vectors, int64_t rows, int64_t cols);

/// Those of its `cells` (counted row by row, ascending) that `vectors` [num_cells, model_dim] are.
MediaTokens make_thinned_tokens(Tensor vectors, std::vector<int32_t> cells, const Place& extent);

/// How many tokens the grids have together.
int64_t count_tokens(std::span<const TokenGrid> grids);

}  // namespace saccade
