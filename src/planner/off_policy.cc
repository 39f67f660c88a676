#include "planner/off_policy.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace saccade {
namespace {

Estimate mean_of(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, count > 1 ? std::sqrt(squares / (count - 1) / count) : 0};
}

// The ratio of two sums, its error by the delta method.
Estimate ratio_of(const std::vector<double>& weights, const std::vector<double>& scores) {
  double total = 0;
  double weighted = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    total += weights[i];
    weighted += weights[i] * scores[i];
  }
  if (total <= 0) return {};
  const double value = weighted / total;
  double squares = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double part = weights[i] * (scores[i] - value);
    squares += part * part;
  }
  return {value, std::sqrt(squares) / total};
}

}  // namespace

PolicyValue replay(std::span<const LoggedChoice> choices, const ReplayedPolicy& policy, double max_weight) {
  PolicyValue result;
  result.num_choices = choices.size();
  if (choices.empty()) return result;
  std::vector<double> weights;
  std::vector<double> scores;
  std::vector<double> weighted;
  std::vector<double> robust;
  double cost = 0;
  double total = 0;
  double squares = 0;
  for (const LoggedChoice& choice : choices) {
    const std::vector<double> shares = policy(choice);
    assert(shares.size() == choice.arms.size());
    const double weight = std::min(max_weight, shares[choice.chosen_idx] / choice.propensity);
    double expected = 0;
    for (size_t i = 0; i < shares.size(); ++i) {
      expected += shares[i] * choice.arms[i].expected_quality;
      cost += shares[i] * choice.arms[i].cost;
    }
    weights.push_back(weight);
    scores.push_back(choice.score);
    weighted.push_back(weight * choice.score);
    robust.push_back(expected + weight * (choice.score - choice.arms[choice.chosen_idx].expected_quality));
    total += weight;
    squares += weight * weight;
  }
  result.weighted = mean_of(weighted);
  result.self_normalized = ratio_of(weights, scores);
  result.doubly_robust = mean_of(robust);
  result.cost = cost / static_cast<double>(choices.size());
  result.num_effective = squares > 0 ? total * total / squares : 0;
  return result;
}

}  // namespace saccade
