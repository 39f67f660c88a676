// CDPruner (arXiv 2506.10967): a determinantal point process whose kernel is L = diag(r) S diag(r), S being the cosines
// of the tokens and r their relevance to the question, scaled to [0, 1]; without a question, r = 1. The most probable
// set is approached by the greedy choice of Chen et al. (arXiv 1709.05135): with C the rows of the Cholesky factor so
// far, choosing j takes e = (L_j - C^T C_j) / d_j and d^2 -= e^2, so that d^2 is by what factor each token would
// enlarge the determinant.
//
// What differs: the relevance (relevance.h); a token that others explain to within rounding counts as explained, and
// when all that are left are, the lowest are taken.
#include <cmath>

#include "compression/selection.h"
#include "compression/similarity.h"
#include "compression/strategies.h"
#include "kernels/leaf.h"

namespace saccade {
namespace {

/// Shares of a token's own variance under which the rest is rounding.
constexpr float kRounding = 1e-5f;

class GreedyDeterminant {
 public:
  GreedyDeterminant(const SimilarityMatrix& cosines, std::span<const float> relevance, int64_t max_steps)
      : leaf_(active_leaf()),
        cosines_(cosines),
        relevance_(relevance),
        num_tokens_(cosines.num_tokens()),
        factor_(Shape{max_steps, num_tokens_}) {
    for (int64_t i = 0; i < num_tokens_; ++i) {
      const float r = relevance[static_cast<size_t>(i)];
      gains_.push_back(r * r * cosines.at(i, i));
    }
    smallest_ = gains_;
    for (float& value : smallest_) value *= kRounding;
  }

  /// d^2: by what factor each token would enlarge the determinant; -1 of those that were taken.
  std::span<const float> gains() const { return gains_; }

  void take(int64_t token) {
    const float gain = gains_[static_cast<size_t>(token)];
    gains_[static_cast<size_t>(token)] = -1;
    if (gain <= 0) return;
    float* e = factor_.floats().data() + num_steps_ * num_tokens_;
    const float* row = cosines_.row(token);
    const float r = relevance_[static_cast<size_t>(token)];
    for (int64_t i = 0; i < num_tokens_; ++i) e[i] = r * relevance_[static_cast<size_t>(i)] * row[i];
    for (int64_t step = 0; step < num_steps_; ++step) {
      const float* previous = factor_.floats().data() + step * num_tokens_;
      leaf_.add_scaled(-previous[token], previous, e, num_tokens_);
    }
    leaf_.scale(1 / std::sqrt(gain), e, num_tokens_);
    for (size_t i = 0; i < gains_.size(); ++i) {
      const float left = gains_[i] - e[i] * e[i];
      if (gains_[i] >= 0) gains_[i] = left > smallest_[i] ? left : 0.0f;
    }
    ++num_steps_;
  }

 private:
  const Leaf& leaf_;
  const SimilarityMatrix& cosines_;
  const std::span<const float> relevance_;
  const int64_t num_tokens_;
  Tensor factor_;  // [max_steps, num_tokens]: C
  std::vector<float> gains_;
  std::vector<float> smallest_;
  int64_t num_steps_ = 0;
};

}  // namespace

Reduction prune_by_determinant(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options) {
  const SimilarityMatrix cosines = SimilarityMatrix::cosines(pool, input.vectors);
  std::vector<float> relevance(static_cast<size_t>(cosines.num_tokens()), 1.0f);
  if (input.query) {
    relevance = relevance_to(pool, input.vectors, input.query, options.relevance);
    scale_to_unit(relevance, 1);
  }
  GreedyDeterminant greedy(cosines, relevance, options.keep);
  std::vector<float> scores(relevance.size());
  std::vector<int32_t> ranking;
  while (static_cast<int64_t>(ranking.size()) < options.keep) {
    const int64_t best = first_largest(greedy.gains());
    scores[static_cast<size_t>(best)] = greedy.gains()[static_cast<size_t>(best)];
    greedy.take(best);
    ranking.push_back(static_cast<int32_t>(best));
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    if (greedy.gains()[i] >= 0) scores[i] = greedy.gains()[i];
  }
  return keep_only(std::move(ranking), std::move(scores));
}

}  // namespace saccade
