// The grids of a picture, told apart by the t of their tokens' places, for strategies that look at places alone.
#pragma once

#include <cstdint>
#include <vector>

#include "compression/strategy.h"

namespace saccade {

struct PictureGrid {
  std::vector<int32_t> tokens;  // ascending
  int64_t num_rows = 0;         // from 0 to the last that a token lies in
  int64_t num_cols = 0;
  int64_t keep = 0;  // its part of the tokens to keep, in proportion to those it has
};

/// In the order in which they first appear. The parts add to `keep`: largest remainders, ties to the first.
std::vector<PictureGrid> split_by_grid(const CompressionInput& input, int64_t keep);

/// The token of `candidates` nearest to (y, x) among those not taken, or -1.
int32_t nearest_token(const CompressionInput& input, std::span<const int32_t> candidates,
                      std::span<const uint8_t> is_taken, double y, double x);

}  // namespace saccade
