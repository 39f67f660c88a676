// The greedy choice of max-min distance (DivPrune, arXiv 2503.02175): again and again the token that is least like its
// nearest among those chosen.
#pragma once

#include <cstdint>
#include <vector>

#include "compression/similarity.h"

namespace saccade {

/// Adds to `ranking` until there are `keep` tokens. Where it is empty, the first is the one whose nearest other token
/// is farthest away. Returns the distances [n] of tokens: of those added to what was chosen before them, of all others
/// to what is chosen in the end. Ties go to the lowest token.
std::vector<float> choose_farthest(const SimilarityMatrix& cosines, int64_t keep, std::vector<int32_t>& ranking);

}  // namespace saccade
