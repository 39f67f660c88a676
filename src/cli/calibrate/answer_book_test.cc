#include "cli/calibrate/answer_book.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

const Levers kHalf = {{1, 0, 1, 0.5, 1}};
constexpr const char* kHalfText = "keep-share=0.5,strategy=divprune";

SweepResult result(int64_t item, const char* plan, const char* answer, std::optional<bool> is_right, double ms) {
  SweepResult result;
  result.item = item;
  result.plan = plan;
  result.answer = answer;
  result.is_right = is_right;
  result.latency_ms = ms;
  return result;
}

// Four questions, numbered 10 to 13: the last has no label.
class AnswerBookTest : public ::testing::Test {
 protected:
  AnswerBookTest() {
    for (int64_t i = 0; i < 4; ++i) list_.questions.push_back({10 + i, 0, 0, "a.png", "read"});
    record_.results = {result(10, "full", "1", true, 100),  result(10, kHalfText, "1", true, 50),
                       result(11, "full", "2", true, 100),  result(11, kHalfText, "3", false, 70),
                       result(12, "full", "4", false, 100), result(12, kHalfText, "5", true, 60),
                       result(13, "full", "Yes.", {}, 100), result(13, kHalfText, "yes", {}, 30)};
    record_.refused = {{"scale=0.5", "too coarse"}};
  }

  QuestionList list_;
  SweepRecord record_;
  AnswerBook read() { return {{}, list_, {.strategy = "divprune"}, record_, nullptr}; }
};

TEST_F(AnswerBookTest, OnlyWhatTheFullPlanHasRightCanBeLost) {
  const AnswerBook book = read();
  EXPECT_EQ(book.text_of(kHalf), kHalfText);
  EXPECT_EQ(book.loss(0, kHalf), 0);
  EXPECT_EQ(book.loss(1, kHalf), 1);
  EXPECT_EQ(book.loss(2, kHalf), std::nullopt);
  EXPECT_EQ(book.loss(0, {}), 0);
}

TEST_F(AnswerBookTest, WithoutALabelTheFullPlansAnswerIsRight) {
  const AnswerBook book = read();
  EXPECT_EQ(book.loss(3, kHalf), 0);
  record_.results.back().answer = "no";
  EXPECT_EQ(book.loss(3, kHalf), 1);
}

TEST_F(AnswerBookTest, MeansAreOfTheSameQuestions) {
  const AnswerBook book = read();
  const std::vector<int64_t> all = {0, 1, 2, 3};
  const PlanMeans means = book.means(kHalf, all);
  EXPECT_EQ(means.num_questions, 3);
  EXPECT_NEAR(means.loss, 1.0 / 3, 1e-12);
  EXPECT_EQ(means.latency_ms, 50);
  EXPECT_EQ(book.full_score(all), 0.75);
  EXPECT_EQ(book.full_score({}), 0);
}

TEST_F(AnswerBookTest, WhatWasNotAskedIsNotKnown) {
  const AnswerBook book = read();
  const Levers other = {{0.5, 0, 1, 1, 1}};
  EXPECT_EQ(book.loss(0, other), std::nullopt);
  EXPECT_EQ(book.means(other, std::vector<int64_t>{0, 1}).num_questions, 0);
  EXPECT_TRUE(book.is_refused(other));
  EXPECT_FALSE(book.is_refused(kHalf));
}

}  // namespace
}  // namespace saccade
