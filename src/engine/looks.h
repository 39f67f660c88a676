// What became of a picture's tokens under a plan, and where in the picture they are: for showing it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "compression/strategy.h"
#include "encoder/media_tokens.h"

namespace saccade {

/// Of a token that no other shows.
inline constexpr int32_t kNotShown = -1;

/// Tokens are counted among those laid out, all grids of the picture in order.
struct TokenFates {
  std::vector<int32_t> shown_by;  // [num_tokens]: the token whose vector shows it, itself where it is left; kNotShown
  std::vector<uint8_t> is_mixed;  // [num_tokens]: of those that are left, whether the vector is a mean of several
};

/// All of them left.
TokenFates all_left(int64_t num_tokens);

/// After the encoder merged tokens: MediaTokens::shown_by of the picture's grids.
void follow_merges(std::span<const MediaTokens* const> grids, TokenFates& fates);

/// After a reduction of the grids' tokens, which are those before it.
void follow_reduction(const Reduction& reduction, std::span<const MediaTokens* const> grids, TokenFates& fates);

}  // namespace saccade
