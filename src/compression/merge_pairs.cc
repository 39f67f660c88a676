// ToMe's bipartite soft matching (arXiv 2210.09461) on the tokens as they leave the projector: in each round they are
// split alternately into A and B, every one of A finds the one of B that is most like it, and the most alike pairs are
// merged to their mean by weight, until `keep` are left; or, without a count, until no pair is as much alike as
// `threshold` (a cosine, 0.9 unless given).
//
// What differs: the paper merges between the layers of the tower, by the keys of each layer; a round merges at most an
// eighth of the tokens; tokens stay in the order of the picture, so that alternate ones are neighbours.
//
// A mean's products with the others are the means of its parts' products, so that the vectors are multiplied once.
#include <cmath>

#include "compression/merging.h"
#include "compression/selection.h"
#include "compression/similarity.h"
#include "compression/strategies.h"

namespace saccade {
namespace {

class PairMerger {
 public:
  PairMerger(ThreadPool& pool, const CompressionInput& input)
      : pool_(pool), products_(SimilarityMatrix::products(pool, input.vectors)) {
    const int64_t n = input.num_tokens();
    for (int64_t i = 0; i < n; ++i) {
      weights_.push_back(input.weight(i));
      left_.push_back(static_cast<int32_t>(i));
    }
    target_ = left_;
  }

  const std::vector<int32_t>& left() const { return left_; }
  const std::vector<float>& weights() const { return weights_; }

  /// Merges the most alike pairs, at most `max_pairs` and none less alike than `smallest`; returns how many.
  int64_t merge_round(int64_t max_pairs, float smallest) {
    const std::vector<Pair> pairs = most_alike_pairs(max_pairs, smallest);
    std::vector<Step> steps;
    for (const Pair& pair : pairs) {
      float& weight = weights_[static_cast<size_t>(pair.into)];
      const float added = weights_[static_cast<size_t>(pair.from)];
      const float sum = weight + added;
      const float share = sum > 0 ? added / sum : 0.5f;
      steps.push_back({pair.from, pair.into, share});
      weight = sum;
      target_[static_cast<size_t>(pair.from)] = pair.into;
    }
    std::erase_if(left_, [&](int32_t token) { return target_[static_cast<size_t>(token)] != token; });
    update_products(steps);
    return static_cast<int64_t>(pairs.size());
  }

  /// For each token the one that is left and has it.
  std::vector<int32_t> final_targets() const {
    std::vector<int32_t> targets = target_;
    for (int32_t& target : targets) {
      while (target_[static_cast<size_t>(target)] != target) target = target_[static_cast<size_t>(target)];
    }
    return targets;
  }

 private:
  struct Pair {
    int32_t from;
    int32_t into;
  };
  struct Step {
    int32_t from;
    int32_t into;
    float share;  // of `from` in the mean
  };

  std::vector<Pair> most_alike_pairs(int64_t max_pairs, float smallest) const {
    const size_t num_even = (left_.size() + 1) / 2;
    std::vector<int32_t> odd;
    std::vector<float> scales;  // of the odd ones
    for (size_t i = 1; i < left_.size(); i += 2) {
      odd.push_back(left_[i]);
      scales.push_back(inverse_length(left_[i]));
    }
    std::vector<float> likeness(num_even, -2.0f);
    std::vector<int32_t> partner(num_even);
    if (odd.empty()) return {};
    pool_.parallel_for(static_cast<int64_t>(num_even), 64, [&](int64_t begin, int64_t end, int) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        const float* row = products_.row(left_[2 * i]);
        size_t best = 0;
        float largest = row[odd[0]] * scales[0];
        for (size_t j = 1; j < odd.size(); ++j) {
          const float value = row[odd[j]] * scales[j];
          if (value > largest) {
            largest = value;
            best = j;
          }
        }
        likeness[i] = largest * inverse_length(left_[2 * i]);
        partner[i] = odd[best];
      }
    });
    std::vector<Pair> pairs;
    for (const int32_t i : falling_order(likeness)) {
      const auto at = static_cast<size_t>(i);
      if (static_cast<int64_t>(pairs.size()) == max_pairs || likeness[at] < smallest) break;
      pairs.push_back({left_[2 * at], partner[at]});
    }
    return pairs;
  }

  float inverse_length(int32_t token) const {
    const float squares = products_.at(token, token);
    return squares > 0 ? 1 / std::sqrt(squares) : 0.0f;
  }

  /// Of the means with all that are left: first their rows, then their columns.
  void update_products(std::span<const Step> steps) {
    for (const Step& step : steps) {
      const float* from = products_.row(step.from);
      float* into = products_.row(step.into);
      for (int64_t i = 0; i < products_.num_tokens(); ++i) into[i] += step.share * (from[i] - into[i]);
    }
    pool_.parallel_for(static_cast<int64_t>(left_.size()), 64, [&](int64_t begin, int64_t end, int) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        float* row = products_.row(left_[i]);
        for (const Step& step : steps) row[step.into] += step.share * (row[step.from] - row[step.into]);
      }
    });
  }

  ThreadPool& pool_;
  SimilarityMatrix products_;
  std::vector<float> weights_;
  std::vector<int32_t> left_;    // ascending
  std::vector<int32_t> target_;  // what a token was merged into, itself while it is left
};

}  // namespace

Reduction merge_pairs(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options) {
  constexpr int64_t kRoundShare = 8;  // of the tokens, one in so many is merged in a round
  constexpr double kThreshold = 0.9;
  const bool has_count = options.keep > 0;
  const auto smallest = has_count ? -2.0f : static_cast<float>(options.threshold.value_or(kThreshold));
  PairMerger merger(pool, input);
  while (true) {
    const auto num_left = static_cast<int64_t>(merger.left().size());
    const int64_t max_pairs =
        std::min(std::max<int64_t>(1, num_left / kRoundShare), num_left - std::max<int64_t>(1, options.keep));
    if (max_pairs == 0 || merger.merge_round(max_pairs, smallest) == 0) break;
  }
  std::vector<float> scores = merger.weights();
  const std::vector<int32_t> targets = merger.final_targets();
  for (size_t i = 0; i < scores.size(); ++i) {
    if (targets[i] != static_cast<int32_t>(i)) scores[i] = 0;
  }
  // Those that stand for most come first.
  std::vector<int32_t> ranking = merger.left();
  std::ranges::stable_sort(ranking, std::ranges::greater(),
                           [&](int32_t token) { return scores[static_cast<size_t>(token)]; });
  return merge_into(input, std::move(ranking), targets, std::move(scores));
}

}  // namespace saccade
