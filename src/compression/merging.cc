#include "compression/merging.h"

#include <algorithm>
#include <utility>

namespace saccade {

Reduction merge_into(const CompressionInput& input, std::vector<int32_t> ranking, std::vector<int32_t> target,
                     std::vector<float> scores) {
  std::vector<float> sums(target.size());
  std::vector<int32_t> counts(target.size());
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] == kNoTarget) continue;
    sums[static_cast<size_t>(target[i])] += input.weight(static_cast<int64_t>(i));
    ++counts[static_cast<size_t>(target[i])];
  }
  Reduction reduction;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] == kNoTarget || counts[static_cast<size_t>(target[i])] == 1) continue;
    const float sum = sums[static_cast<size_t>(target[i])];
    // Tokens that stand for nothing at all count alike.
    const float share = sum > 0 ? input.weight(static_cast<int64_t>(i)) / sum
                                : 1 / static_cast<float>(counts[static_cast<size_t>(target[i])]);
    reduction.parts.push_back({target[i], static_cast<int32_t>(i), share});
  }
  std::ranges::stable_sort(reduction.parts, {}, &MergePart::target);
  reduction.ranking = std::move(ranking);
  reduction.target = std::move(target);
  reduction.scores = std::move(scores);
  return reduction;
}

}  // namespace saccade
