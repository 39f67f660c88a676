#include "ledger/decision_text.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

TEST(DecisionText, IsReadAsItWasWritten) {
  const std::vector<WeighedPlan> plans = {{"full", 1, 0.25}, {"keep-share=0.25,strategy=\"x\"", 0.875, 0}};
  const auto read = parse_weighed_plans(weighed_plans_text(plans));
  ASSERT_TRUE(read.is_ok());
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ((*read)[1].plan, plans[1].plan);
  EXPECT_EQ((*read)[0].cost, 0.25);
  EXPECT_EQ((*read)[1].expected_quality, 0.875);
  EXPECT_TRUE(parse_weighed_plans("")->empty());
}

TEST(DecisionText, DamageIsAnError) {
  for (const char* text :
       {"{", "{}", "[5]", "[{}]", R"([{"plan":5}])", R"([{"plan":"full","quality":"good","cost":1}])"}) {
    EXPECT_EQ(parse_weighed_plans(text).status().code(), StatusCode::kCorruptData) << text;
  }
}

}  // namespace
}  // namespace saccade
