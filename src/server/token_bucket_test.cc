#include "server/token_bucket.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

TEST(TokenBucket, IsFilledEvenly) {
  TokenBucket bucket(60, 1000);
  EXPECT_EQ(bucket.level(1000), 60);
  bucket.use(60, 1000);
  EXPECT_EQ(bucket.level(1000), 0);
  EXPECT_EQ(bucket.ms_until(1, 1000), 1000);
  EXPECT_EQ(bucket.level(1500), 0.5);
  EXPECT_EQ(bucket.ms_until(1, 1500), 500);
  EXPECT_EQ(bucket.ms_until(1, 2000), 0);
  EXPECT_EQ(bucket.level(61'000), 60);
  EXPECT_EQ(bucket.level(1e9), 60) << "no more than a minute's share";
  EXPECT_EQ(bucket.ms_until(60, 1000), 60'000);
  EXPECT_EQ(bucket.ms_until(1000, 1000), 60'000) << "as full as it gets";
}

TEST(TokenBucket, OwesWhatWasUsedBeyond) {
  TokenBucket bucket(100, 0);
  bucket.use(250, 0);
  EXPECT_EQ(bucket.level(0), -150);
  EXPECT_EQ(bucket.level(60'000), -50);
  EXPECT_EQ(bucket.ms_until(0, 0), 90'000);
  bucket.use(-50, 60'000);
  EXPECT_EQ(bucket.level(60'000), 0) << "given back";
}

TEST(TokenBucket, DoesNotMindAClockThatStandsOrIsLate) {
  TokenBucket bucket(60, 5000);
  bucket.use(10, 5000);
  EXPECT_EQ(bucket.level(4000), 50);
  bucket.use(10, 4000);
  EXPECT_EQ(bucket.level(5000), 40);
}

TEST(TokenBucket, KeepsWhatWasUsedAtAnotherRate) {
  TokenBucket bucket(60, 0);
  bucket.use(50, 0);
  bucket.set_rate(100, 0);
  EXPECT_EQ(bucket.level(0), 50);
  bucket.set_rate(20, 0);
  EXPECT_EQ(bucket.level(0), -30);
  EXPECT_EQ(bucket.per_minute(), 20);
}

}  // namespace
}  // namespace saccade
