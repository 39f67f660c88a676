#include "cli/calibrate/design.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace saccade {
namespace {

using ::testing::ElementsAre;

LeverOptions few_options() {
  return {{{1, 0.5}, {0, 1, 2}, {1}, {1, 0.25}, {1}, {0}}};
}

Levers levers_of(double scale, double skip, double keep) {
  Levers levers;
  levers[Lever::kScale] = scale;
  levers[Lever::kSkip] = skip;
  levers[Lever::kKeep] = keep;
  return levers;
}

std::vector<double> losses_of(const std::vector<LossPoint>& points) {
  std::vector<double> losses;
  for (const LossPoint& point : points) losses.push_back(point.loss);
  return losses;
}

TEST(Design, PlansOfOneLeverAndOfAll) {
  EXPECT_THAT(one_lever_plans(few_options()),
              ElementsAre(levers_of(0.5, 0, 1), levers_of(1, 1, 1), levers_of(1, 2, 1), levers_of(1, 0, 0.25)));
  const std::vector<Levers> all = all_plans(few_options());
  EXPECT_EQ(all.size(), 12);
  EXPECT_TRUE(all.front().is_full());
  LeverOptions blind = few_options();
  options_of(blind, Lever::kPictures) = {0, 4};
  EXPECT_EQ(all_plans(blind).size(), 13);
  EXPECT_EQ(num_moved(levers_of(0.5, 0, 0.25)), 2);
  EXPECT_EQ(num_steps(few_options(), levers_of(0.5, 2, 1)), 3);
  EXPECT_EQ(num_steps(few_options(), Levers()), 0);
}

TEST(Design, CurvesNeverFall) {
  const std::vector<double> alike(5, 100);
  EXPECT_THAT(losses_of(monotone({{1, 0.3}, {0.8, 0.1}, {0.6, 0.3}, {0.4, 0.1}, {0.2, 0.5}}, alike)),
              ElementsAre(0, 0.1, 0.2, 0.2, 0.5));
  EXPECT_THAT(losses_of(monotone({{1, 0}, {0.8, 0.1}, {0.6, 0.2}}, alike)), ElementsAre(0, 0.1, 0.2));
  // Of three times as many questions, three times as much.
  const std::vector<double> unlike = {1, 300, 100};
  EXPECT_THAT(losses_of(monotone({{1, 0}, {0.8, 0.2}, {0.6, 0}}, unlike)), ElementsAre(0, 0.15, 0.15));
  EXPECT_THAT(losses_of(monotone({{1, 0}}, alike)), ElementsAre(0));
}

TEST(Design, SpreadsPlansOverTheFront) {
  const Levers slow = levers_of(1, 1, 1);
  const Levers beaten = levers_of(1, 2, 1);
  const Levers quick = levers_of(0.5, 0, 1);
  const Levers bad = levers_of(0.5, 2, 0.25);
  const std::vector<PlanPoint> points = {
      {{}, 100, 0}, {beaten, 60, 0.2}, {quick, 25, 0.1}, {slow, 50, 0.01}, {bad, 5, 0.9}};
  EXPECT_THAT(spread_over_front(points, 3, 0.5), ElementsAre(slow, quick));
  EXPECT_THAT(spread_over_front(points, 1, 0.5), ElementsAre(quick));
  EXPECT_THAT(spread_over_front(points, 9, 1), ElementsAre(slow, quick, bad));
  EXPECT_TRUE(spread_over_front({}, 3, 1).empty());
}

TEST(Design, LaddersGoFromSafeToCheap) {
  std::vector<PlanPoint> points;
  for (int i = 1; i <= 50; ++i) points.push_back({levers_of(1, 0, 1 - 0.01 * i), 100.0 - i, 0.002 * i});
  points.push_back({levers_of(1, 1, 1), 120, 0});    // slower than the full plan
  points.push_back({levers_of(1, 2, 1), 80, 0.09});  // beaten
  const std::vector<Levers> ladder = choose_ladder(points, 100, 0.08, 6);
  ASSERT_GE(ladder.size(), 3);
  ASSERT_LE(ladder.size(), 6);
  for (const Levers& levers : ladder) {
    EXPECT_LT(levers[Lever::kKeep], 1);
    EXPECT_GE(levers[Lever::kKeep], 0.6 - 1e-9);
  }
  EXPECT_TRUE(std::ranges::is_sorted(ladder, std::ranges::greater(), [](const Levers& l) { return l[Lever::kKeep]; }));
}

}  // namespace
}  // namespace saccade
