// Which of the plans that fit is worth the most to whom: LinUCB (Li, Chu, Langford and Schapire, WWW 2010), with what
// was measured of a plan's quality as its prior, and a share of draws at random so that what was not chosen can be
// judged afterwards. Seeded by the caller: equal inputs, equal choice.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace saccade {

/// What a choice may depend on; each about between 0 and 1.
inline constexpr size_t kContextSize = 6;
using BanditContext = std::array<double, kContextSize>;

/// A plan that keeps the budget, and the certificate where one was asked for.
struct BanditArm {
  std::string plan;
  double expected_quality = 1;
  double cost = 0;  // of its time and money, in errors: what is given up for it in quality
};

struct BanditOptions {
  double exploration = 0.5;   // how many standard deviations an unknown plan is thought better
  double random_share = 0.1;  // of choices, drawn evenly from all that fit
  double trust = 50;          // answers that the prior is worth
};

struct BanditDraw {
  size_t arm_idx = 0;
  double propensity = 1;  // probability with which it is drawn
};

/// Thread safety: one thread.
class PlanBandit {
 public:
  explicit PlanBandit(const BanditOptions& options = {}) : options_(options) {}

  /// An answer by the plan was worth `score`, 0..1, where `expected_quality` was expected.
  void learn(const std::string& plan, const BanditContext& context, double expected_quality, double score);

  /// `arms` is not empty; `draw` is uniform in [0, 1).
  BanditDraw choose(std::span<const BanditArm> arms, const BanditContext& context, double draw) const;
  /// Probability of each arm, [arms.size()].
  std::vector<double> probabilities(std::span<const BanditArm> arms, const BanditContext& context) const;

  int64_t num_learnt() const { return num_learnt_; }

 private:
  // Ridge regression of score - expected quality: (trust I + sum x x^T) theta = sum x y.
  struct Regression {
    std::array<std::array<double, kContextSize>, kContextSize> gram = {};
    BanditContext moments = {};
  };
  double worth(const BanditArm& arm, const BanditContext& context) const;

  BanditOptions options_;
  std::map<std::string, Regression> regressions_;  // by plan
  int64_t num_learnt_ = 0;
};

}  // namespace saccade
