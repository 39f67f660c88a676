#include "encoder/pixel_unshuffle.h"

#include <cassert>

namespace saccade {

std::vector<int32_t> square_of_token(int32_t token, int64_t side, int64_t factor) {
  assert(side % factor == 0);
  const int64_t tokens_per_side = side / factor;
  const int64_t first_y = token / tokens_per_side * factor;
  const int64_t first_x = token % tokens_per_side * factor;
  std::vector<int32_t> patches;
  for (int64_t dy = 0; dy < factor; ++dy) {
    for (int64_t dx = 0; dx < factor; ++dx) {
      patches.push_back(static_cast<int32_t>((first_y + dy) * side + first_x + dx));
    }
  }
  return patches;
}

std::vector<int32_t> find_squares(std::span<const int32_t> patches, int64_t side, int64_t factor, int32_t first_row,
                                  std::vector<int32_t>& rows) {
  constexpr int32_t kAbsent = -1;
  std::vector<int32_t> row_of(static_cast<size_t>(side * side), kAbsent);
  for (size_t i = 0; i < patches.size(); ++i) {
    row_of[static_cast<size_t>(patches[i])] = first_row + static_cast<int32_t>(i);
  }
  std::vector<int32_t> tokens;
  const auto num_tokens = static_cast<int32_t>((side / factor) * (side / factor));
  for (int32_t token = 0; token < num_tokens; ++token) {
    const std::vector<int32_t> square = square_of_token(token, side, factor);
    if (row_of[static_cast<size_t>(square.front())] == kAbsent) continue;
    tokens.push_back(token);
    for (const int32_t patch : square) rows.push_back(row_of[static_cast<size_t>(patch)]);
  }
  return tokens;
}

}  // namespace saccade
