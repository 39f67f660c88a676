#include "planner/drift.h"

#include <gtest/gtest.h>

#include <random>

namespace saccade {
namespace {

TEST(Drift, WantsEnoughAnswers) {
  EXPECT_FALSE(has_drifted(1, 1, 0.05));
  EXPECT_TRUE(has_drifted(1, 3, 0.05));
  EXPECT_FALSE(has_drifted(0.08, 50, 0.05));
  EXPECT_TRUE(has_drifted(0.08, 2000, 0.05));
  EXPECT_FALSE(has_drifted(0, 0, 0.05));
  EXPECT_FALSE(has_drifted(0.05, 100000, 0.05));
}

TEST(Drift, IsSilentWhereTheCertificateIsRightAndLoudWhereItIsNot) {
  std::mt19937 random(1);
  int num_false = 0;
  int num_found = 0;
  for (int run = 0; run < 500; ++run) {
    std::binomial_distribution<int> right(400, 0.05);
    std::binomial_distribution<int> wrong(400, 0.15);
    num_false += has_drifted(right(random) / 400.0, 400, 0.05) ? 1 : 0;
    num_found += has_drifted(wrong(random) / 400.0, 400, 0.05) ? 1 : 0;
  }
  EXPECT_LE(num_false, 2);
  EXPECT_GT(num_found, 490);
}

TEST(Drift, IsWatchedByClassAndPlan) {
  DriftWatch watch;
  for (int i = 0; i < 40; ++i) {
    watch.add("read", "keep-share=0.5", i % 2, 0.05);
    watch.add("read", "keep-share=0.75", 0, 0.05);
    watch.add("count", "keep-share=0.5", 0, 0.05);
  }
  const std::vector<DriftAlarm> alarms = watch.alarms();
  ASSERT_EQ(alarms.size(), 1U);
  EXPECT_EQ(alarms[0].task_class, "read");
  EXPECT_EQ(alarms[0].plan, "keep-share=0.5");
  EXPECT_EQ(alarms[0].mean_loss, 0.5);
  EXPECT_EQ(alarms[0].epsilon, 0.05);
  EXPECT_EQ(alarms[0].num_answers, 40);
}

}  // namespace
}  // namespace saccade
