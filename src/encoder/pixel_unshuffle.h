// Idefics3's pixel-unshuffle: every `factor` x `factor` square of patches becomes one wider row.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace saccade {

/// The patches of a tile that token `token` of it is made of, in the order in which they make its row. `factor` divides
/// `side`; tokens and patches are counted row by row.
std::vector<int32_t> square_of_token(int32_t token, int64_t side, int64_t factor);

/// Where the patches of each token are: `patches` [.., ascending] of a tile of which only whole squares are there. The
/// tokens that are there, in order; [num_tokens * factor^2] indices of `patches` are appended to `rows`, `first_row` on
/// top of each.
std::vector<int32_t> find_squares(std::span<const int32_t> patches, int64_t side, int64_t factor, int32_t first_row,
                                  std::vector<int32_t>& rows);

}  // namespace saccade
