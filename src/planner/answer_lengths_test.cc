#include "planner/answer_lengths.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

TEST(AnswerLengths, BeginsWithAShortSentenceWithinTheLimit) {
  const AnswerLengths lengths;
  EXPECT_EQ(lengths.forecast("read", 512).median, 16);
  EXPECT_EQ(lengths.forecast("read", 512).p95, 64);
  EXPECT_EQ(lengths.forecast("read", 4).p95, 4);
  EXPECT_EQ(lengths.forecast("read", 0).median, 1);
}

TEST(AnswerLengths, LearnsEachClassByItself) {
  AnswerLengths lengths;
  for (int i = 1; i <= 20; ++i) lengths.add("count", i % 20 == 0 ? 40 : 2);
  EXPECT_EQ(lengths.forecast("count", 512).median, 2);
  EXPECT_EQ(lengths.forecast("count", 512).p95, 40);
  EXPECT_EQ(lengths.forecast("read", 512).median, 16);
}

TEST(AnswerLengths, ForgetsWhatIsLongPast) {
  AnswerLengths lengths;
  for (int i = 0; i < 64; ++i) lengths.add("read", 100);
  for (int i = 0; i < 64; ++i) lengths.add("read", 3);
  EXPECT_EQ(lengths.forecast("read", 512).p95, 3);
}

TEST(AnswerLengths, AreKeptFromTheOldestOn) {
  AnswerLengths lengths;
  for (int i = 0; i < 70; ++i) lengths.add("read", i);
  lengths.add("count", 2);
  const auto recent = lengths.recent();
  ASSERT_EQ(recent.size(), 2U);
  ASSERT_EQ(recent.at("read").size(), 64U);
  EXPECT_EQ(recent.at("read").front(), 6);
  EXPECT_EQ(recent.at("read").back(), 69);
  EXPECT_EQ(recent.at("count"), std::vector<int64_t>{2});
}

}  // namespace
}  // namespace saccade
