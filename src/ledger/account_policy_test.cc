#include "ledger/account_policy.h"

#include <gmock/gmock.h>

#include "ledger/utc_time.h"

namespace saccade {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class AccountPolicyTest : public ::testing::Test {
 protected:
  AccountAction action(double spent, double estimated) const {
    return decide(policy_, {.day_usd = spent, .month_usd = 0}, estimated, now_us_).action;
  }

  AccountPolicy policy_ = {.limits = {.day_usd = 10, .month_usd = {}}};
  const int64_t now_us_ = *parse_day("2026-12-30") + 5;
};

TEST_F(AccountPolicyTest, WhatTheBordersAre) {
  EXPECT_EQ(action(0, 0), AccountAction::kAllow);
  EXPECT_EQ(action(8.99, 0), AccountAction::kAllow) << "89.9 %";
  EXPECT_EQ(action(8, 0.99), AccountAction::kAllow);
  EXPECT_EQ(action(9, 0), AccountAction::kRecommendCheaper) << "90 %";
  EXPECT_EQ(action(0, 9), AccountAction::kRecommendCheaper);
  EXPECT_EQ(action(9.99, 0.01), AccountAction::kRecommendCheaper) << "the limit may be used up";
  EXPECT_EQ(action(9.99, 0.02), AccountAction::kRefuse) << "but not passed";
  EXPECT_EQ(action(10, 0), AccountAction::kRefuse) << "100 %";
  EXPECT_EQ(action(0, 10.01), AccountAction::kRefuse);
  EXPECT_EQ(action(12, 0), AccountAction::kRefuse);
}

TEST_F(AccountPolicyTest, WhatHappensThereCanBeChosen) {
  policy_.at_90_percent = AtNinetyPercent::kApply;
  policy_.at_100_percent = AtHundredPercent::kDegrade;
  EXPECT_EQ(action(8.99, 0), AccountAction::kAllow);
  EXPECT_EQ(action(9, 0), AccountAction::kApplyCheaper);
  EXPECT_EQ(action(10, 0), AccountAction::kDegrade);
}

TEST_F(AccountPolicyTest, AZeroLimitAllowsNothingAndNoLimitAll) {
  policy_.limits.day_usd = 0;
  EXPECT_EQ(action(0, 0), AccountAction::kRefuse);
  EXPECT_EQ(action(0, 1e-6), AccountAction::kRefuse);
  policy_.limits.day_usd.reset();
  EXPECT_EQ(action(1e9, 1e9), AccountAction::kAllow);
  EXPECT_EQ(decide(policy_, {}, 0, now_us_).reason, "");
}

TEST_F(AccountPolicyTest, RoundingOfASumIsNoDifference) {
  policy_.limits.day_usd = 0.3;
  double spent = 0;
  for (int i = 0; i < 3; ++i) spent += 0.1;  // 0.30000000000000004
  EXPECT_EQ(action(0.2, 0.1), AccountAction::kRecommendCheaper);
  EXPECT_EQ(action(spent, 0), AccountAction::kRefuse);
  policy_.limits.day_usd = 1;
  spent = 0;
  for (int i = 0; i < 9; ++i) spent += 0.1;  // 0.8999999999999999
  EXPECT_LT(spent, 0.9);
  EXPECT_EQ(action(spent, 0), AccountAction::kRecommendCheaper);
}

TEST_F(AccountPolicyTest, TheStricterLimitDecidesAndSaysWhenItResets) {
  policy_.limits = {.day_usd = 10, .month_usd = 100};
  const AccountDecision by_day = decide(policy_, {.day_usd = 9.5, .month_usd = 50}, 1, now_us_);
  EXPECT_EQ(by_day.action, AccountAction::kRefuse);
  EXPECT_EQ(by_day.reason,
            "9.50 USD of this day's 10.00 USD are spent, 0.50 USD are left and this request is estimated at 1.00 USD: "
            "the request is refused; the limit begins anew on 2026-12-31, 00:00 UTC");
  EXPECT_EQ(by_day.resets_us, *parse_day("2026-12-31"));
  const AccountDecision by_month = decide(policy_, {.day_usd = 9.5, .month_usd = 101}, 0, now_us_);
  EXPECT_EQ(by_month.action, AccountAction::kRefuse);
  EXPECT_THAT(by_month.reason, AllOf(HasSubstr("this month's 100.00 USD"), HasSubstr("0.00 USD are left"),
                                     HasSubstr("anew on 2027-01-01")));
  const AccountDecision both = decide(policy_, {.day_usd = 11, .month_usd = 101}, 0, now_us_);
  EXPECT_THAT(both.reason, HasSubstr("month")) << "the one that lasts longer";
  const AccountDecision small = decide(policy_, {.day_usd = 9.5, .month_usd = 0}, 0.000123, now_us_);
  EXPECT_THAT(small.reason, AllOf(HasSubstr("0.000123 USD"), HasSubstr("recommended")));
}

}  // namespace
}  // namespace saccade
