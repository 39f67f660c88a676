#include "planner/share_out.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>

namespace saccade {
namespace {

Contender by(double deadline_ms, std::vector<WorkOption> options) {
  return {deadline_ms, std::move(options)};
}

bool all_in_time(const std::vector<Contender>& contenders, const std::vector<size_t>& choices) {
  double end_ms = 0;
  for (size_t i = 0; i < contenders.size(); ++i) {
    end_ms += contenders[i].options[choices[i]].work_ms;
    if (end_ms > contenders[i].deadline_ms) return false;
  }
  return true;
}

double loss_of(const std::vector<Contender>& contenders, const std::vector<size_t>& choices) {
  double loss = 0;
  for (size_t i = 0; i < contenders.size(); ++i) loss += contenders[i].options[choices[i]].loss;
  return loss;
}

/// The least loss of all combinations that are in time; nothing: there is none.
std::optional<double> best_loss(const std::vector<Contender>& contenders) {
  std::vector<size_t> choices(contenders.size(), 0);
  std::optional<double> best;
  while (true) {
    if (all_in_time(contenders, choices)) best = std::min(best.value_or(1e9), loss_of(contenders, choices));
    size_t i = 0;
    while (i < choices.size() && ++choices[i] == contenders[i].options.size()) choices[i++] = 0;
    if (i == choices.size()) return best;
  }
}

TEST(ShareOut, WithTimeForAllNobodyLosesAnything) {
  const std::vector<Contender> all = {by(100, {{10, 0.1}, {40, 0}}), by(100, {{20, 0.2}, {50, 0}})};
  const SharedOut shared = share_out(all);
  EXPECT_EQ(shared.choices, (std::vector<size_t>{1, 1}));
  EXPECT_EQ(shared.loss, 0);
  EXPECT_TRUE(shared.late.empty());
  EXPECT_TRUE(share_out({}).choices.empty());
}

TEST(ShareOut, WhoLosesLeastGivesWay) {
  const std::vector<Contender> all = {by(100, {{10, 0.3}, {60, 0}}), by(100, {{10, 0.01}, {60, 0}})};
  EXPECT_EQ(share_out(all).choices, (std::vector<size_t>{1, 0}));
}

TEST(ShareOut, OnlyThoseAheadOfADeadlineGiveWayForIt) {
  const std::vector<Contender> all = {by(50, {{10, 0.3}, {60, 0}}), by(1000, {{10, 0.01}, {60, 0}})};
  EXPECT_EQ(share_out(all).choices, (std::vector<size_t>{0, 1}));
}

TEST(ShareOut, WhoCannotBeInTimeIsLateAndTheOthersAreNot) {
  const std::vector<Contender> all = {by(5, {{10, 0.3}, {60, 0}}), by(100, {{80, 0.1}, {200, 0}}),
                                      by(std::numeric_limits<double>::infinity(), {{50, 0}})};
  const SharedOut shared = share_out(all);
  EXPECT_EQ(shared.late, (std::vector<size_t>{0}));
  EXPECT_EQ(shared.choices, (std::vector<size_t>{0, 0, 0}));
}

// Greedy is not the best there is, but near it, and in time whenever that is possible at all.
TEST(ShareOut, IsInTimeWhereAnythingIsAndLosesLittleMoreThanTheBest) {
  std::mt19937 random(3);
  const auto draw = [&](double least, double most) {
    return std::uniform_real_distribution<double>(least, most)(random);
  };
  double lost = 0;
  double least = 0;
  int num_possible = 0;
  for (int round = 0; round < 1000; ++round) {
    std::vector<Contender> all;
    double work_ms = 0;
    for (int i = std::uniform_int_distribution<int>(1, 5)(random); i > 0; --i) {
      Contender contender;
      double ms = draw(5, 20);
      double loss = draw(0.05, 0.6);
      for (int option = std::uniform_int_distribution<int>(1, 4)(random); option > 0; --option) {
        contender.options.push_back({ms, loss});
        ms += draw(5, 60);
        loss *= draw(0.05, 0.9);
      }
      work_ms += contender.options.back().work_ms;
      contender.deadline_ms = draw(0.3, 1.2) * work_ms;
      all.push_back(std::move(contender));
    }
    std::ranges::sort(all, {}, &Contender::deadline_ms);
    const SharedOut shared = share_out(all);
    const std::optional<double> best = best_loss(all);
    ASSERT_EQ(shared.late.empty(), best.has_value()) << "round " << round;
    if (!best) continue;
    ASSERT_TRUE(all_in_time(all, shared.choices));
    EXPECT_NEAR(shared.loss, loss_of(all, shared.choices), 1e-9);
    ASSERT_GE(shared.loss, *best - 1e-9);
    ++num_possible;
    lost += shared.loss;
    least += *best;
  }
  EXPECT_GT(num_possible, 300);
  EXPECT_LT(lost, 1.15 * least) << "of the least that is possible";
  RecordProperty("loss_over_least", std::to_string(lost / least));
}

}  // namespace
}  // namespace saccade
