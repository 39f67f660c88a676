#include "planner/bandit.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace saccade {
namespace {

const std::vector<BanditArm> kArms = {{"full", 1, 0.2}, {"half", 0.95, 0.1}, {"least", 0.9, 0}};

BanditContext context_of(bool is_dense) {
  return {1, is_dense ? 1.0 : 0.0, 0.5, 0, 0, 0};
}

// On dense pictures "least" is worth little; on others it is as good as the full plan.
double score_of(const std::string& plan, bool is_dense, std::mt19937& random) {
  const double right = plan == "least" && is_dense ? 0.2 : 0.97;
  return std::bernoulli_distribution(right)(random) ? 1 : 0;
}

TEST(PlanBandit, BeginsWithWhatWasMeasured) {
  const PlanBandit bandit({.exploration = 0, .random_share = 0, .trust = 50});
  EXPECT_EQ(bandit.choose(kArms, context_of(false), 0.99).arm_idx, 2U);
  const std::vector<BanditArm> worse = {{"full", 1, 0.2}, {"half", 0.95, 0.1}, {"least", 0.7, 0}};
  EXPECT_EQ(bandit.choose(worse, context_of(false), 0.5).arm_idx, 1U);
}

TEST(PlanBandit, PropensitiesAreThoseOfTheDraws) {
  const PlanBandit bandit({.exploration = 0.5, .random_share = 0.3, .trust = 50});
  const std::vector<double> shares = bandit.probabilities(kArms, context_of(true));
  EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1, 1e-12);
  std::vector<int> drawn(kArms.size());
  constexpr int kDraws = 1000;
  for (int i = 0; i < kDraws; ++i) {
    const BanditDraw draw = bandit.choose(kArms, context_of(true), (i + 0.5) / kDraws);
    EXPECT_DOUBLE_EQ(draw.propensity, shares[draw.arm_idx]);
    ++drawn[draw.arm_idx];
  }
  for (size_t i = 0; i < drawn.size(); ++i) EXPECT_NEAR(drawn[i] / double{kDraws}, shares[i], 2e-3);
}

TEST(PlanBandit, LearnsForWhomAPlanIsGoodEnough) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> uniform(0, 1);
  PlanBandit bandit({.exploration = 0.3, .random_share = 0.1, .trust = 20});
  for (int i = 0; i < 3000; ++i) {
    const bool is_dense = i % 2 == 0;
    const BanditArm& arm = kArms[bandit.choose(kArms, context_of(is_dense), uniform(random)).arm_idx];
    bandit.learn(arm.plan, context_of(is_dense), arm.expected_quality, score_of(arm.plan, is_dense, random));
  }
  EXPECT_EQ(bandit.num_learnt(), 3000);
  const auto share = [&](bool is_dense) { return bandit.probabilities(kArms, context_of(is_dense))[2]; };
  EXPECT_GT(share(false), 0.9);
  EXPECT_LT(share(true), 0.1);
}

TEST(PlanBandit, IsReplayable) {
  PlanBandit a;
  PlanBandit b;
  for (int i = 0; i < 100; ++i) {
    for (PlanBandit* bandit : {&a, &b})
      bandit->learn(kArms[i % 3].plan, context_of(i % 2 == 0), 0.9, i % 5 == 0 ? 0 : 1);
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(a.choose(kArms, context_of(true), i / 10.0).arm_idx, b.choose(kArms, context_of(true), i / 10.0).arm_idx);
  }
}

}  // namespace
}  // namespace saccade
