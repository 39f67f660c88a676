// What the strategies share: orders of tokens, and reductions that keep some and drop the others.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "compression/strategy.h"

namespace saccade {

/// Tokens by falling value, ties to the lower token.
inline std::vector<int32_t> falling_order(std::span<const float> values) {
  std::vector<int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(
      order, [&](int32_t a, int32_t b) { return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)]; });
  return order;
}

/// The first of the largest values.
inline int64_t first_largest(std::span<const float> values) {
  return std::ranges::max_element(values) - values.begin();
}

/// Nothing is merged: what is not in the ranking is dropped.
inline Reduction keep_only(std::vector<int32_t> ranking, std::vector<float> scores) {
  Reduction reduction;
  reduction.target.assign(scores.size(), kNoTarget);
  for (const int32_t token : ranking) reduction.target[static_cast<size_t>(token)] = token;
  reduction.ranking = std::move(ranking);
  reduction.scores = std::move(scores);
  return reduction;
}

/// The `keep` tokens of the largest scores.
inline Reduction keep_largest(std::vector<float> scores, int64_t keep) {
  std::vector<int32_t> ranking = falling_order(scores);
  ranking.resize(static_cast<size_t>(keep));
  return keep_only(std::move(ranking), std::move(scores));
}

}  // namespace saccade
