// Grids of visual tokens, row by row, as every family hands them on.
#pragma once

#include <cstdint>

#include "encoder/media_tokens.h"
#include "tensor/tensor.h"

namespace saccade {

/// The layout of a still picture's grid.
TokenGrid make_token_grid(int64_t rows, int64_t cols);

/// The grid itself: vectors [rows * cols, model_dim], row by row.
MediaTokens make_grid_tokens(Tensor vectors, int64_t rows, int64_t cols);

}  // namespace saccade
