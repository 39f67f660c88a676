#include "planner/residual.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace saccade {
namespace {

// `count` measurements of 3 x + 2 ms, times `pace`, with relative noise.
void measure(StageResidual& residual, std::mt19937& random, int count, double pace, double noise) {
  std::uniform_real_distribution<double> x(1, 40);
  std::normal_distribution<double> error(0, noise);
  for (int i = 0; i < count; ++i) {
    const double x_ms = x(random);
    residual.add(x_ms, pace * (3 * x_ms + 2) * std::exp(error(random)));
  }
}

TEST(StageResidual, BeginsWithTheRooflineItself) {
  EXPECT_DOUBLE_EQ(StageResidual().predict_ms(10), 10);
}

TEST(StageResidual, FindsTheLine) {
  std::mt19937 random(1);
  StageResidual residual;
  measure(residual, random, 200, 1, 0.02);
  EXPECT_NEAR(residual.predict_ms(1), 5, 0.3);
  EXPECT_NEAR(residual.predict_ms(10), 32, 1);
  EXPECT_NEAR(residual.predict_ms(40), 122, 4);
  EXPECT_NEAR(residual.spread(), 0.02, 0.015);
}

TEST(StageResidual, FindsWhatIsNoLine) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> x(1, 40);
  std::normal_distribution<double> noise(0, 0.02);
  StageResidual residual;
  const auto true_ms = [](double x_ms) { return x_ms < 10 ? 2 * x_ms : 40 + x_ms; };  // threads that give way at 10
  for (int i = 0; i < 400; ++i) {
    const double x_ms = x(random);
    residual.add(x_ms, true_ms(x_ms) * std::exp(noise(random)));
  }
  EXPECT_NEAR(residual.predict_ms(4), 8, 1);
  EXPECT_NEAR(residual.predict_ms(20), 60, 3);
  EXPECT_NEAR(residual.predict_ms(35), 75, 4);
}

TEST(StageResidual, FollowsAMachineThatSlowsDownWithinAFewAnswers) {
  std::mt19937 random(2);
  StageResidual residual;
  measure(residual, random, 100, 1, 0.03);
  measure(residual, random, 5, 2, 0.03);
  EXPECT_NEAR(residual.predict_ms(10), 64, 10);
  measure(residual, random, 20, 2, 0.03);
  EXPECT_NEAR(residual.predict_ms(10), 64, 5);
  measure(residual, random, 6, 1, 0.03);
  EXPECT_NEAR(residual.predict_ms(10), 32, 6);
}

TEST(StageResidual, OneOutlierIsNoNewPace) {
  std::mt19937 random(3);
  StageResidual residual;
  measure(residual, random, 100, 1, 0.03);
  residual.add(10, 320);
  EXPECT_NEAR(residual.predict_ms(10), 32, 6);
}

TEST(StageResidual, ShrugsAtNonsense) {
  StageResidual residual;
  residual.add(10, std::nan(""));
  residual.add(10, -5);
  residual.add(std::nan(""), 5);
  residual.add(10, 0);
  EXPECT_DOUBLE_EQ(residual.predict_ms(10), 10);
}

TEST(StageResidual, NeverPredictsLessThanNothing) {
  StageResidual residual;
  for (int i = 0; i < 50; ++i) residual.add(10 + i % 3, i % 3 == 0 ? 30 : 10);  // less where there is more to do
  for (const double x_ms : {0.0, 1.0, 10.0, 100.0}) EXPECT_GE(residual.predict_ms(x_ms), 0);
}

TEST(StageResidual, GoesOnFromWhatWasKept) {
  std::mt19937 random(4);
  StageResidual first;
  measure(first, random, 50, 1, 0.02);
  StageResidual second;
  second.set_state(first.state());
  EXPECT_DOUBLE_EQ(second.predict_ms(17), first.predict_ms(17));
}

TEST(RecentQuantiles, BeginsWithASpreadAndLearnsItsOwn) {
  RecentQuantiles quantiles(0.2);
  EXPECT_DOUBLE_EQ(quantiles.p95(), 1.645 * 0.2);
  for (int i = 0; i < 100; ++i) quantiles.add(i);
  EXPECT_NEAR(quantiles.median(), 67.5, 1e-9);  // of the last 64: 36 to 99
  EXPECT_NEAR(quantiles.p95(), 95.85, 1e-9);
}

}  // namespace
}  // namespace saccade
