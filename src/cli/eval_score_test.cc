#include "cli/eval_score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace saccade {
namespace {

EvalItem item(const std::string& answer) {
  EvalItem result;
  result.answer = answer;
  return result;
}

TEST(EvalScore, ForgivesCaseSpaceAndOneFullStop) {
  EXPECT_TRUE(is_right(item("Top Left"), "  top\n left. "));
  EXPECT_FALSE(is_right(item("Top Left"), "top left.."));
  EXPECT_FALSE(is_right(item("AB-12"), "AB12"));
}

TEST(EvalScore, TakesNumbersWithinTheToleranceOnly) {
  EvalItem gauge = item("42");
  EXPECT_FALSE(is_right(gauge, "41"));
  gauge.tolerance = 2;
  EXPECT_TRUE(is_right(gauge, "40 bar"));
  EXPECT_TRUE(is_right(gauge, "44.0"));
  EXPECT_FALSE(is_right(gauge, "44.5"));
  EXPECT_FALSE(is_right(gauge, "bar"));
}

TEST(EvalScore, ReadsNumbersAsTheyAreWritten) {
  EXPECT_EQ(leading_number("$ 1,200.50 due"), 1200.5);
  EXPECT_EQ(leading_number("-3"), -3);
  EXPECT_FALSE(leading_number("about 3"));
}

TEST(EvalScore, TakesWhatTheListAccepts) {
  EvalItem lamp = item("red");
  lamp.accept = {"the red one"};
  EXPECT_TRUE(is_right(lamp, "The red one."));
}

}  // namespace
}  // namespace saccade
