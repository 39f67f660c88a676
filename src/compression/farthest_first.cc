#include "compression/farthest_first.h"

#include <algorithm>
#include <limits>

namespace saccade {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The largest similarity of each token with another.
std::vector<float> nearest_similarity(const SimilarityMatrix& cosines) {
  const int64_t n = cosines.num_tokens();
  std::vector<float> nearest(static_cast<size_t>(n), -kInfinity);
  for (int64_t i = 0; i < n; ++i) {
    const float* row = cosines.row(i);
    float& largest = nearest[static_cast<size_t>(i)];
    for (int64_t j = 0; j < i; ++j) largest = std::max(largest, row[j]);
    for (int64_t j = i + 1; j < n; ++j) largest = std::max(largest, row[j]);
  }
  return nearest;
}

/// The largest similarity of each token with one of `chosen`.
std::vector<float> similarity_to(const SimilarityMatrix& cosines, const std::vector<int32_t>& chosen) {
  std::vector<float> nearest(static_cast<size_t>(cosines.num_tokens()), -kInfinity);
  for (const int32_t token : chosen) {
    const float* row = cosines.row(token);
    for (size_t i = 0; i < nearest.size(); ++i) nearest[i] = std::max(nearest[i], row[i]);
  }
  return nearest;
}

}  // namespace

std::vector<float> choose_farthest(const SimilarityMatrix& cosines, int64_t keep, std::vector<int32_t>& ranking) {
  const auto n = static_cast<size_t>(cosines.num_tokens());
  std::vector<float> nearest = ranking.empty() ? nearest_similarity(cosines) : similarity_to(cosines, ranking);
  std::vector<float> distances(n);
  std::vector<float> open(n, 0.0f);  // infinity once a token is chosen
  for (const int32_t token : ranking) open[static_cast<size_t>(token)] = kInfinity;
  while (static_cast<int64_t>(ranking.size()) < keep) {
    float smallest = kInfinity;
    size_t best = 0;
    for (size_t i = 0; i < n; ++i) {
      const float similarity = nearest[i] + open[i];
      if (similarity < smallest) {
        smallest = similarity;
        best = i;
      }
    }
    distances[best] = n == 1 ? 1.0f : 1 - nearest[best];
    const float* row = cosines.row(static_cast<int64_t>(best));
    if (ranking.empty()) {
      std::copy_n(row, n, nearest.begin());
    } else {
      for (size_t i = 0; i < n; ++i) nearest[i] = std::max(nearest[i], row[i]);
    }
    open[best] = kInfinity;
    ranking.push_back(static_cast<int32_t>(best));
  }
  for (size_t i = 0; i < n; ++i) {
    if (open[i] == 0) distances[i] = 1 - nearest[i];
  }
  return distances;
}

}  // namespace saccade
