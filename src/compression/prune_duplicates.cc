// VisPruner (arXiv 2412.01818): the most important tokens by the class row's attention, and of the others, in the order
// of their attention, duplicates are taken away a few at a time: split alternately into two sets as ToMe does, and
// those of the first set that are most like one of the second go.
//
// What differs: cosines are those at the projector's output, the paper's those in front of it.
#include <limits>

#include "compression/selection.h"
#include "compression/similarity.h"
#include "compression/strategies.h"

namespace saccade {
namespace {

constexpr int64_t kRemovedAtATime = 8;

/// One round: at most `num_removed` of the even positions go. What is left of them is ordered by how much it is like an
/// odd one, the most first, and stands in front of the odd ones.
std::vector<int32_t> without_duplicates(ThreadPool& pool, const SimilarityMatrix& cosines,
                                        std::span<const int32_t> tokens, int64_t num_removed) {
  std::vector<int32_t> even, odd;
  for (size_t i = 0; i < tokens.size(); ++i) (i % 2 == 0 ? even : odd).push_back(tokens[i]);
  std::vector<float> likeness(even.size());
  pool.parallel_for(static_cast<int64_t>(even.size()), 64, [&](int64_t begin, int64_t end, int) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const float* row = cosines.row(even[i]);
      float largest = -std::numeric_limits<float>::infinity();
      for (const int32_t token : odd) largest = std::max(largest, row[token]);
      likeness[i] = largest;
    }
  });
  std::vector<int32_t> left;
  const std::vector<int32_t> order = falling_order(likeness);
  for (size_t i = static_cast<size_t>(num_removed); i < order.size(); ++i) {
    left.push_back(even[static_cast<size_t>(order[i])]);
  }
  left.insert(left.end(), odd.begin(), odd.end());
  return left;
}

}  // namespace

Reduction prune_duplicates(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options) {
  const auto num_important = static_cast<int64_t>(static_cast<double>(options.keep) * options.important_share);
  const int64_t num_diverse = options.keep - num_important;
  std::vector<int32_t> ranking = falling_order(input.class_attention);
  std::vector<int32_t> rest(ranking.begin() + num_important, ranking.end());
  ranking.resize(static_cast<size_t>(num_important));
  if (num_diverse == 0) rest.clear();
  if (static_cast<int64_t>(rest.size()) > num_diverse) {
    const SimilarityMatrix cosines = SimilarityMatrix::cosines(pool, input.vectors);
    while (static_cast<int64_t>(rest.size()) > num_diverse) {
      const auto num_left = static_cast<int64_t>(rest.size());
      const int64_t num_removed = std::min({kRemovedAtATime, num_left - num_diverse, (num_left + 1) / 2});
      rest = without_duplicates(pool, cosines, rest, num_removed);
    }
  }
  // Diverse tokens have no order of their own.
  std::ranges::sort(rest);
  ranking.insert(ranking.end(), rest.begin(), rest.end());
  return keep_only(std::move(ranking), {input.class_attention.begin(), input.class_attention.end()});
}

}  // namespace saccade
