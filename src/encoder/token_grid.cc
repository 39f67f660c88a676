#include "encoder/token_grid.h"

#include <cassert>
#include <numeric>
#include <utility>

namespace saccade {

TokenGrid make_token_grid(int64_t rows, int64_t cols) {
  return {static_cast<int>(rows * cols), Place{1, static_cast<int32_t>(rows), static_cast<int32_t>(cols)}};
}

MediaTokens make_grid_tokens(Tensor vectors, int64_t rows, int64_t cols) {
  assert(vectors.shape()[0] == rows * cols);
  std::vector<int32_t> cells(static_cast<size_t>(rows * cols));
  std::iota(cells.begin(), cells.end(), 0);
  return make_thinned_tokens(std::move(vectors), std::move(cells), make_token_grid(rows, cols).extent);
}

MediaTokens make_thinned_tokens(Tensor vectors, std::vector<int32_t> cells, const Place& extent) {
  assert(vectors.shape()[0] == static_cast<int64_t>(cells.size()));
  MediaTokens tokens;
  tokens.vectors = std::move(vectors);
  tokens.extent = extent;
  tokens.places.reserve(cells.size());
  for (const int32_t cell : cells) tokens.places.push_back(Place{0, cell / extent.x, cell % extent.x});
  const bool is_whole = static_cast<int64_t>(cells.size()) == int64_t{extent.y} * extent.x;
  if (!is_whole) tokens.cells = std::move(cells);
  return tokens;
}

int64_t count_tokens(std::span<const TokenGrid> grids) {
  int64_t count = 0;
  for (const TokenGrid& grid : grids) count += grid.num_tokens;
  return count;
}

}  // namespace saccade
