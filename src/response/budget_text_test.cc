#include "response/budget_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace saccade {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Receipt receipt_with_budget() {
  Receipt receipt;
  receipt.plan = "skip-equal=0";
  receipt.latency_ms = 140;
  receipt.stages_ms.load = 40;
  receipt.budget.emplace();
  BudgetReceipt& budget = *receipt.budget;
  budget.asked.max_latency_ms = 120;
  budget.asked.min_quality = 0.97;
  budget.predicted.latency_ms = 95;
  budget.predicted.latency_p95_ms = 110;
  budget.met_latency = true;
  budget.met_quality = false;
  budget.claim = {QualityClaim::Kind::kCertified, "read", 0.04, 0.05, 800};
  budget.changes = {{12, "media", "what the picture shows is known", "skip-equal=0"}};
  budget.shortfall = "cannot promise a quality of 0.97";
  return receipt;
}

TEST(BudgetText, SaysWhatWasAskedPredictedAndKept) {
  EXPECT_THAT(budget_lines(receipt_with_budget()),
              AllOf(HasSubstr("asked within 120 ms, keeping 0.97 of the quality: time kept, quality MISSED\n"),
                    HasSubstr("took 100.0 ms without loading, predicted 95.0 (95 %: 110.0)"),
                    HasSubstr("changed at 12.0 ms, behind media"),
                    HasSubstr("certified: loses no more than 4.0 % (95 % sure, 800 questions of class read)"),
                    HasSubstr("cannot promise a quality of 0.97\n")));
  EXPECT_EQ(budget_lines(Receipt()), "");
}

TEST(BudgetText, JsonHasOnlyWhatWasAsked) {
  const nlohmann::ordered_json json = budget_json(*receipt_with_budget().budget);
  EXPECT_EQ(json["asked"]["max_latency_ms"], 120);
  EXPECT_FALSE(json["asked"].contains("max_cost_usd"));
  EXPECT_EQ(json["asked"]["mode"], "best_effort");
  EXPECT_EQ(json["met_latency"], true);
  EXPECT_FALSE(json.contains("met_ttft"));
  EXPECT_EQ(json["claim"]["kind"], "certified");
  EXPECT_EQ(json["claim"]["questions"], 800);
  EXPECT_EQ(json["changes"][0]["stage"], "media");
}

TEST(BudgetText, AClaimWithoutACertificateSaysUncertified) {
  EXPECT_THAT(claim_text({QualityClaim::Kind::kPrior, "any", 0.1, 0, 0}),
              AllOf(HasSubstr("uncertified"), HasSubstr("10.0 %"), HasSubstr("saccade calibrate")));
  EXPECT_THAT(claim_text({QualityClaim::Kind::kMeasured, "read", 0.1, 0, 0}), HasSubstr("uncertified"));
  EXPECT_THAT(claim_text({QualityClaim::Kind::kPrior, "any", 1, 0, 0}), HasSubstr("nothing was measured"));
  EXPECT_THAT(claim_text({}), Not(HasSubstr("certified")));
}

TEST(BudgetText, CostIsToldBesideTheFullPlans) {
  Receipt receipt;
  EXPECT_EQ(cost_line(receipt), "");
  receipt.cost = CostReceipt{0.0004, 0.0016};
  EXPECT_EQ(cost_line(receipt), "  cost 0.0004 usd, the full plan 0.0016\n");
  EXPECT_EQ(cost_json({0.5, {}}).size(), 1U);
}

TEST(BudgetText, AnExplanationMarksTheWinnerAndSaysWhatIsGuessed) {
  PlanExplanation explanation;
  explanation.task_class = "read";
  explanation.num_compared = 2;
  explanation.plans.resize(2);
  explanation.plans[0].plan = "skip-equal=0";
  explanation.plans[0].verdict = "chosen";
  explanation.plans[1].plan = "full";
  explanation.plans[1].verdict = "over 60 ms";
  explanation.plans[0].is_chosen = true;
  EXPECT_THAT(explanation_text(explanation),
              AllOf(HasSubstr("> skip-equal=0"), HasSubstr("  full"), HasSubstr("over 60 ms"),
                    HasSubstr("see saccade profile"), HasSubstr("see saccade calibrate")));
  explanation.is_machine_measured = explanation.is_calibrated = true;
  EXPECT_THAT(explanation_text(explanation), Not(HasSubstr("see saccade")));
}

}  // namespace
}  // namespace saccade
