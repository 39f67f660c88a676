#include "planner/off_policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace saccade {
namespace {

// True worth of three arms, and of what is expected of them, which is wrong.
constexpr double kWorth[] = {0.95, 0.8, 0.4};
constexpr double kExpected[] = {0.9, 0.9, 0.9};

std::vector<LoggedChoice> log_of(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::discrete_distribution<size_t> drawn({0.2, 0.3, 0.5});
  const double shares[] = {0.2, 0.3, 0.5};
  std::vector<LoggedChoice> log;
  for (size_t i = 0; i < count; ++i) {
    LoggedChoice choice;
    for (size_t arm = 0; arm < 3; ++arm) {
      choice.arms.push_back({std::to_string(arm), kExpected[arm], 0.1 * static_cast<double>(arm)});
    }
    choice.chosen_idx = drawn(random);
    choice.propensity = shares[choice.chosen_idx];
    choice.score = std::bernoulli_distribution(kWorth[choice.chosen_idx])(random) ? 1 : 0;
    log.push_back(choice);
  }
  return log;
}

ReplayedPolicy always(size_t arm) {
  return [arm](const LoggedChoice& choice) {
    std::vector<double> shares(choice.arms.size(), 0.0);
    shares[arm] = 1;
    return shares;
  };
}

TEST(OffPolicy, FindsTheWorthOfArmsThatWereSeldomChosen) {
  const std::vector<LoggedChoice> log = log_of(4000, 1);
  for (size_t arm = 0; arm < 3; ++arm) {
    const PolicyValue value = replay(log, always(arm));
    for (const Estimate& estimate : {value.weighted, value.self_normalized, value.doubly_robust}) {
      EXPECT_NEAR(estimate.value, kWorth[arm], 4 * estimate.error);
      EXPECT_GT(estimate.error, 0);
      EXPECT_LT(estimate.error, 0.05);
    }
    EXPECT_NEAR(value.cost, 0.1 * static_cast<double>(arm), 1e-9);
  }
}

TEST(OffPolicy, ErrorBarsHoldWhatTheyPromise) {
  int num_within = 0;
  constexpr int kRuns = 400;
  for (uint32_t seed = 0; seed < kRuns; ++seed) {
    const PolicyValue value = replay(log_of(300, seed + 10), always(0));
    if (std::abs(value.doubly_robust.value - kWorth[0]) <= 1.96 * value.doubly_robust.error) ++num_within;
  }
  EXPECT_GT(num_within / double{kRuns}, 0.90);
}

TEST(OffPolicy, ThePolicyThatWasFollowedIsItsOwnMean) {
  std::vector<LoggedChoice> log = log_of(500, 3);
  const ReplayedPolicy same = [](const LoggedChoice&) { return std::vector<double>{0.2, 0.3, 0.5}; };
  const PolicyValue value = replay(log, same);
  double mean = 0;
  for (const LoggedChoice& choice : log) mean += choice.score / 500;
  EXPECT_NEAR(value.weighted.value, mean, 1e-9);
  EXPECT_NEAR(value.num_effective, 500, 1e-6);
}

TEST(OffPolicy, NothingIsWorthNothing) {
  EXPECT_EQ(replay({}, always(0)).num_choices, 0U);
}

}  // namespace
}  // namespace saccade
