// DivPrune (arXiv 2503.02175): tokens are chosen so that the smallest cosine distance among them is large. The first is
// the one whose nearest other token is farthest away; then, each time, the one farthest from all that are chosen.
#include <limits>

#include "compression/selection.h"
#include "compression/similarity.h"
#include "compression/strategies.h"

namespace saccade {
namespace {

/// The largest similarity of each token with another.
std::vector<float> nearest_similarity(const SimilarityMatrix& cosines) {
  const int64_t n = cosines.num_tokens();
  std::vector<float> nearest(static_cast<size_t>(n), -std::numeric_limits<float>::infinity());
  for (int64_t i = 0; i < n; ++i) {
    const float* row = cosines.row(i);
    float& largest = nearest[static_cast<size_t>(i)];
    for (int64_t j = 0; j < i; ++j) largest = std::max(largest, row[j]);
    for (int64_t j = i + 1; j < n; ++j) largest = std::max(largest, row[j]);
  }
  return nearest;
}

}  // namespace

Reduction prune_by_distance(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options) {
  const SimilarityMatrix cosines = SimilarityMatrix::cosines(pool, input.vectors);
  const auto n = static_cast<size_t>(cosines.num_tokens());
  // The score of a token: its distance to what was chosen before it, or at the end.
  std::vector<float> nearest = nearest_similarity(cosines);
  std::vector<float> scores(n);
  std::vector<int32_t> ranking;
  std::vector<float> open(n, 0.0f);  // infinity once a token is chosen
  while (static_cast<int64_t>(ranking.size()) < options.keep) {
    float smallest = std::numeric_limits<float>::infinity();
    size_t best = 0;
    for (size_t i = 0; i < n; ++i) {
      const float similarity = nearest[i] + open[i];
      if (similarity < smallest) {
        smallest = similarity;
        best = i;
      }
    }
    scores[best] = n == 1 ? 1.0f : 1 - nearest[best];
    const float* row = cosines.row(static_cast<int64_t>(best));
    if (ranking.empty()) {
      std::copy_n(row, n, nearest.begin());
    } else {
      for (size_t i = 0; i < n; ++i) nearest[i] = std::max(nearest[i], row[i]);
    }
    open[best] = std::numeric_limits<float>::infinity();
    ranking.push_back(static_cast<int32_t>(best));
  }
  for (size_t i = 0; i < n; ++i) {
    if (open[i] == 0) scores[i] = 1 - nearest[i];
  }
  return keep_only(std::move(ranking), std::move(scores));
}

}  // namespace saccade
