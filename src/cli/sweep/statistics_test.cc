#include "cli/sweep/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace saccade {
namespace {

TEST(SweepStatistics, MiddlesOfOddEvenAndNothing) {
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(mean({}), 0);
  EXPECT_EQ(mean(std::vector<double>{1, 2, 6}), 3);
}

TEST(SweepStatistics, FitsALine) {
  const std::vector<Sample> exact = {{1, 5}, {2, 7}, {4, 11}};
  const auto line = fit_line(exact);
  ASSERT_TRUE(line);
  EXPECT_DOUBLE_EQ(line->slope, 2);
  EXPECT_DOUBLE_EQ(line->intercept, 3);
  EXPECT_DOUBLE_EQ(line->r_squared, 1);
  EXPECT_EQ(line->num_points, 3);
  // By hand: means 2 and 2, xx 2, xy 1, yy 2.
  const auto loose = fit_line(std::vector<Sample>{{1, 2}, {2, 1}, {3, 3}});
  ASSERT_TRUE(loose);
  EXPECT_DOUBLE_EQ(loose->slope, 0.5);
  EXPECT_DOUBLE_EQ(loose->intercept, 1);
  EXPECT_DOUBLE_EQ(loose->r_squared, 0.25);
}

TEST(SweepStatistics, FitsNoLineThroughOnePlace) {
  EXPECT_FALSE(fit_line({}));
  EXPECT_FALSE(fit_line(std::vector<Sample>{{1, 1}, {2, 2}}));
  EXPECT_FALSE(fit_line(std::vector<Sample>{{1000, 1}, {1001, 2}, {1002, 3}}));
  EXPECT_FALSE(fit_line(std::vector<Sample>{{0, 1}, {0, 2}, {0, 3}}));
}

TEST(SweepStatistics, FindsWhatNothingBeats) {
  // The full plan, a good one, one that it beats, one as good that costs more, a cheap bad one, and that one again.
  const std::vector<Sample> samples = {{10, 0.9}, {5, 0.8}, {6, 0.7}, {7, 0.8}, {1, 0.2}, {1, 0.2}, {1, 0.1}};
  EXPECT_THAT(pareto_front(samples), testing::ElementsAre(4, 1, 0));
  EXPECT_TRUE(pareto_front({}).empty());
}

}  // namespace
}  // namespace saccade
