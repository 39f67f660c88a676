// What another policy would have been worth, from what one policy chose and how that turned out.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "planner/bandit.h"

namespace saccade {

/// One answer of the past whose worth is known.
struct LoggedChoice {
  BanditContext context = {};
  std::vector<BanditArm> arms;  // that fitted
  size_t chosen_idx = 0;
  double propensity = 1;  // with which it was chosen
  double score = 0;       // 0..1
};

/// Probability of each arm; may learn from the choice afterwards, which is what an online policy does.
using ReplayedPolicy = std::function<std::vector<double>(const LoggedChoice& choice)>;

/// A mean with its standard error.
struct Estimate {
  double value = 0;
  double error = 0;
};

struct PolicyValue {
  // Of the score: inverse propensity weighting, the same with weights that add up to one, and doubly robust with the
  // arms' expected qualities as its model (Dudik, Langford and Li, arXiv 1103.4601).
  Estimate weighted;
  Estimate self_normalized;
  Estimate doubly_robust;
  double cost = 0;           // mean of the arms chosen
  double num_effective = 0;  // choices that as much could be told from, had the policy made them itself
  size_t num_choices = 0;
};

/// Weights are cut at `max_weight`. In order, for policies that learn.
PolicyValue replay(std::span<const LoggedChoice> choices, const ReplayedPolicy& policy, double max_weight = 50);

}  // namespace saccade
