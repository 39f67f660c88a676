// facility: facility location, as EADP weighs it: a token covers what is like it, and the gain of u is
// sum_j s_j max(0, cos(u, j) - the largest cosine of j with a chosen token), s being half the relevance to the question
// as a whole and half that to its nearest word; without a question, s = 1. Tokens that stand for several count as such.
//
// tops (arXiv 2606.27161): the greedy choice by relevance + coverage (that gain, s = 1) + diversity (1 - the largest
// cosine with a chosen token; 0 before there is one). What differs: gain and diversity are scaled to [0, 1] in each
// step over the tokens that are left, relevance once over all, and it is the cosine of relevance.h; without a question
// it is left out.
#include <limits>

#include "compression/selection.h"
#include "compression/similarity.h"
#include "compression/strategies.h"

namespace saccade {
namespace {

/// The gains of all tokens, kept up to date: choosing one changes the terms of those j alone that it covers better than
/// any before it, of which there are ever fewer.
class Coverage {
 public:
  Coverage(ThreadPool& pool, const SimilarityMatrix& cosines, std::vector<float> importance)
      : cosines_(cosines),
        importance_(std::move(importance)),
        covered_(importance_.size(), 0.0f),
        gains_(importance_.size()) {
    pool.parallel_for(cosines.num_tokens(), 64, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) gains_[static_cast<size_t>(i)] = whole_gain(cosines.row(i));
    });
    rounding_ = 1e-6f * std::ranges::max(gains_);
  }

  /// What a token would add; 0 where it is no more than rounding.
  float gain(size_t token) const { return gains_[token] > rounding_ ? gains_[token] : 0.0f; }

  /// The first of those that would add most, but for rounding. Two tokens that each cover the other and nothing else
  /// better than any before have the same gain, so that ties are common.
  size_t best_of(std::span<const int32_t> tokens) const {
    float largest = 0;
    for (const int32_t token : tokens) largest = std::max(largest, gain(static_cast<size_t>(token)));
    const auto found = std::ranges::find_if(
        tokens, [&](int32_t token) { return gain(static_cast<size_t>(token)) >= largest - rounding_; });
    return static_cast<size_t>(found - tokens.begin());
  }

  void take(int64_t token) {
    const float* row = cosines_.row(token);
    const size_t n = gains_.size();
    for (size_t j = 0; j < n; ++j) {
      const float more = row[j] - covered_[j];
      if (more <= 0) continue;
      const float* of_j = cosines_.row(static_cast<int64_t>(j));
      const float before = covered_[j];
      const float importance = importance_[j];
      for (size_t i = 0; i < n; ++i) gains_[i] -= importance * std::min(std::max(of_j[i] - before, 0.0f), more);
      covered_[j] = row[j];
    }
  }

 private:
  float whole_gain(const float* row) const {
    constexpr size_t kLanes = 8;  // sums side by side: one alone waits for each addition
    float sums[kLanes] = {};
    size_t j = 0;
    for (; j + kLanes <= gains_.size(); j += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        sums[lane] += importance_[j + lane] * std::max(row[j + lane], 0.0f);
      }
    }
    for (; j < gains_.size(); ++j) sums[0] += importance_[j] * std::max(row[j], 0.0f);
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  }

  const SimilarityMatrix& cosines_;
  const std::vector<float> importance_;
  std::vector<float> covered_;  // the largest cosine with a chosen token, at least 0
  std::vector<float> gains_;
  float rounding_ = 0;
};

std::vector<float> weights_of(const CompressionInput& input) {
  std::vector<float> weights(static_cast<size_t>(input.num_tokens()));
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = input.weight(static_cast<int64_t>(i));
  return weights;
}

/// Scales values from [low, high] to [0, 1]; 0 where they are all the same.
struct UnitScale {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  void include(float value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  float operator()(float value) const {
    constexpr float kSame = 1e-6f;
    return high - low > kSame * std::max(high, 1.0f) ? (value - low) / (high - low) : 0.0f;
  }
};

}  // namespace

Reduction prune_by_coverage(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options) {
  const SimilarityMatrix cosines = SimilarityMatrix::cosines(pool, input.vectors);
  std::vector<float> importance = weights_of(input);
  if (input.query) {
    const std::vector<float> relevance = relevance_to(pool, input.vectors, input.query, RelevanceKind::kMixed);
    for (size_t i = 0; i < importance.size(); ++i) importance[i] *= relevance[i];
  }
  const size_t n = importance.size();
  Coverage coverage(pool, cosines, std::move(importance));
  std::vector<float> scores(n);
  std::vector<int32_t> ranking;
  std::vector<int32_t> left(n);
  std::iota(left.begin(), left.end(), 0);
  while (static_cast<int64_t>(ranking.size()) < options.keep) {
    const size_t best = coverage.best_of(left);
    const int32_t token = left[best];
    scores[static_cast<size_t>(token)] = coverage.gain(static_cast<size_t>(token));
    coverage.take(token);
    ranking.push_back(token);
    left.erase(left.begin() + static_cast<int64_t>(best));
  }
  for (const int32_t token : left) scores[static_cast<size_t>(token)] = coverage.gain(static_cast<size_t>(token));
  return keep_only(std::move(ranking), std::move(scores));
}

Reduction prune_by_relevance_coverage_diversity(ThreadPool& pool, const CompressionInput& input,
                                                const CompressionOptions& options) {
  const SimilarityMatrix cosines = SimilarityMatrix::cosines(pool, input.vectors);
  const auto n = static_cast<size_t>(cosines.num_tokens());
  std::vector<float> relevance(n, 0.0f);
  if (input.query) {
    relevance = relevance_to(pool, input.vectors, input.query, options.relevance);
    scale_to_unit(relevance, 0);
  }
  Coverage coverage(pool, cosines, weights_of(input));
  std::vector<float> nearest(n, 1.0f);  // the largest cosine with a chosen token
  std::vector<float> scores(n);
  std::vector<int32_t> ranking;
  std::vector<int32_t> left(n);
  std::iota(left.begin(), left.end(), 0);
  while (static_cast<int64_t>(ranking.size()) < options.keep) {
    UnitScale gain_scale, distance_scale;
    for (const int32_t token : left) {
      gain_scale.include(coverage.gain(static_cast<size_t>(token)));
      distance_scale.include(1 - nearest[static_cast<size_t>(token)]);
    }
    size_t best = 0;  // of `left`
    for (size_t i = 0; i < left.size(); ++i) {
      const auto token = static_cast<size_t>(left[i]);
      scores[token] = relevance[token] + gain_scale(coverage.gain(token)) + distance_scale(1 - nearest[token]);
      if (scores[token] > scores[static_cast<size_t>(left[best])]) best = i;
    }
    const int32_t token = left[best];
    const float* row = cosines.row(token);
    for (size_t i = 0; i < n; ++i) nearest[i] = ranking.empty() ? row[i] : std::max(nearest[i], row[i]);
    coverage.take(token);
    ranking.push_back(token);
    left.erase(left.begin() + static_cast<int64_t>(best));
  }
  return keep_only(std::move(ranking), std::move(scores));
}

}  // namespace saccade
