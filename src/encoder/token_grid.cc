#include "encoder/token_grid.h"

#include <cassert>
#include <utility>

namespace saccade {

TokenGrid make_token_grid(int64_t rows, int64_t cols) {
  return {static_cast<int>(rows * cols), Place{1, static_cast<int32_t>(rows), static_cast<int32_t>(cols)}};
}

MediaTokens make_grid_tokens(Tensor vectors, int64_t rows, int64_t cols) {
  assert(vectors.shape()[0] == rows * cols);
  MediaTokens tokens;
  tokens.vectors = std::move(vectors);
  tokens.extent = make_token_grid(rows, cols).extent;
  tokens.places.reserve(static_cast<size_t>(rows * cols));
  for (int32_t y = 0; y < tokens.extent.y; ++y) {
    for (int32_t x = 0; x < tokens.extent.x; ++x) tokens.places.push_back(Place{0, y, x});
  }
  return tokens;
}

}  // namespace saccade
