// Answers within budgets, on the tiny models of tests/parity: plans made anew on the way, and the truth told about
// them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>

#include "engine/testing/family_test.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

using ::saccade::testing::text_part;
using ::testing::HasSubstr;

class BudgetTest : public testing::FamilyTest {
 protected:
  Request ask_within(std::optional<double> ms) {
    Request request = ask({picture_part(0), text_part("Is the lamp red?")});
    request.budget.max_latency_ms = ms;
    return request;
  }
};

INSTANTIATE_TEST_SUITE_P(Families, BudgetTest,
                         ::testing::Values("llava", "llava_next", "smolvlm", "qwen2_vl", "qwen2_5_vl"),
                         testing::family_name);

TEST_P(BudgetTest, AllTheTimeThereIsGetsAnAnswerThatIsTold) {
  const auto engine = load();
  const Answer reply = answer(*engine, ask_within(1e6));
  ASSERT_TRUE(reply.receipt.budget);
  const BudgetReceipt& budget = *reply.receipt.budget;
  EXPECT_EQ(budget.met_latency, true);
  EXPECT_EQ(budget.shortfall, "");
  EXPECT_GT(budget.predicted.latency_ms, 0);
  EXPECT_GE(budget.predicted.latency_p95_ms, budget.predicted.latency_ms);
  EXPECT_GT(budget.full.latency_ms, 0);
  EXPECT_GT(budget.planning_ms, 0);
  EXPECT_FALSE(reply.receipt.request_id.empty());
  EXPECT_FALSE(reply.receipt.plan.empty());
  EXPECT_NE(reply.receipt.request_id, answer(*engine, ask_within(1e6)).receipt.request_id);
  Request named = ask_within(1e6);
  named.id = "mine";
  EXPECT_EQ(answer(*engine, named).receipt.request_id, "mine");
}

TEST_P(BudgetTest, TheFullPlanWithinABudgetAnswersAsWithoutOne) {
  const auto engine = load();
  Request request = ask_within(1e6);
  request.budget.min_quality = 1;
  const Answer within = answer(*engine, request);
  EXPECT_EQ(within.receipt.plan, "full");
  EXPECT_EQ(within.receipt.budget->claim.kind, QualityClaim::Kind::kFull);
  EXPECT_EQ(within.receipt.budget->met_quality, true);
  expect_as_fresh(within, ask({picture_part(0), text_part("Is the lamp red?")}));
}

TEST_P(BudgetTest, NoTimeAtAllStillGetsATokenAndTheTruth) {
  const auto engine = load();
  const Answer reply = answer(*engine, ask_within(1e-3));
  EXPECT_EQ(reply.receipt.tokens.generated, 1);
  EXPECT_EQ(reply.receipt.budget->met_latency, false);
  EXPECT_THAT(reply.receipt.budget->shortfall, HasSubstr("cannot promise an answer within"));
  EXPECT_LT(reply.receipt.budget->predicted.quality, 1);
}

TEST_P(BudgetTest, AStrictBudgetIsRefusedBeforeAnythingIsComputed) {
  const auto engine = load();
  Request request = ask_within(1e-3);
  request.budget.mode = BudgetMode::kStrict;
  const auto refused = engine->answer(request);
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kBudgetExceeded);
  EXPECT_THAT(refused.status().message(), HasSubstr("the fastest plan takes"));
  EXPECT_TRUE(engine->explain(request).is_ok());
}

TEST_P(BudgetTest, TimeInAQueueCounts) {
  const auto engine = load();
  answer(*engine, ask_within(1e6));
  Request request = ask_within(1e6);
  request.budget.mode = BudgetMode::kStrict;
  request.budget.waited_ms = 1e6;
  EXPECT_EQ(engine->answer(request).status().code(), StatusCode::kBudgetExceeded);
}

TEST_P(BudgetTest, WhatTheRequestSaysOfThePlanStays) {
  const auto engine = load();
  Request request = ask_within(1e-3);
  request.plan.keep = 2;
  request.plan.strategy = "uniform";
  const Answer reply = answer(*engine, request);
  EXPECT_THAT(reply.receipt.plan, ::testing::AllOf(HasSubstr("keep=2"), HasSubstr("strategy=uniform")));
  EXPECT_LT(reply.receipt.pictures[0].visual_tokens, reply.receipt.pictures[0].full_tokens);
}

TEST_P(BudgetTest, NothingIsPromisedOfWhatTheRequestLeavesOutItself) {
  const auto engine = load();
  Request request = ask_within(1e6);
  request.budget.min_quality = 0.5;
  request.plan.exit = 0.99;
  const Answer early = answer(*engine, request);
  EXPECT_EQ(early.receipt.budget->claim.kind, QualityClaim::Kind::kPrior);
  EXPECT_EQ(early.receipt.budget->met_quality, false);
  EXPECT_THAT(early.receipt.budget->shortfall, HasSubstr("was not measured"));
  request.plan = {};
  request.messages[0].content[0].detail = Detail::kLow;
  const Answer coarse = answer(*engine, request);
  EXPECT_EQ(coarse.receipt.budget->claim.kind, QualityClaim::Kind::kPrior);
  EXPECT_EQ(coarse.receipt.budget->met_quality, false);
}

TEST_P(BudgetTest, TaskRulesCanBeReplaced) {
  EngineOptions options = engine_options();
  options.task_rules_path = ::testing::TempDir() + "rules_" + GetParam();
  std::ofstream(options.task_rules_path) << "lamps: lamp\n";
  const auto engine = Engine::load(options);
  ASSERT_TRUE(engine.is_ok()) << engine.status().message();
  EXPECT_EQ(answer(**engine, ask_within(1e6)).receipt.budget->task_class, "lamps");
  std::ofstream(options.task_rules_path) << "lamps: lamp\nno rule\n";
  const auto refused = Engine::load(options);
  ASSERT_FALSE(refused.is_ok());
  EXPECT_THAT(refused.status().message(), ::testing::AllOf(HasSubstr(options.task_rules_path), HasSubstr("line 2")));
  std::filesystem::remove(options.task_rules_path);
}

TEST_P(BudgetTest, ExplainsWithoutAnswering) {
  const auto engine = load();
  EXPECT_FALSE(engine->info().is_calibrated);
  const auto explanation = engine->explain(ask_within(1e6));
  ASSERT_TRUE(explanation.is_ok()) << explanation.status().message();
  EXPECT_GT(explanation->num_compared, 1);
  EXPECT_EQ(std::ranges::count(explanation->plans, true, &ConsideredPlan::is_chosen), 1);
  EXPECT_EQ(std::ranges::count(explanation->plans, "full", &ConsideredPlan::plan), 1);
  for (const ConsideredPlan& plan : explanation->plans) EXPECT_FALSE(plan.verdict.empty()) << plan.plan;
  EXPECT_TRUE(std::ranges::is_sorted(explanation->plans, {},
                                     [](const ConsideredPlan& plan) { return plan.predicted.latency_p95_ms; }));
}

TEST_P(BudgetTest, TextAloneHasABudgetToo) {
  const auto engine = load();
  Request request = ask({text_part("Say something.")});
  request.budget.max_latency_ms = 1e6;
  EXPECT_EQ(answer(*engine, request).receipt.budget->met_latency, true);
}

TEST_P(BudgetTest, SeveralPicturesAreLookedAtByOnePlan) {
  const auto engine = load();
  Request request = ask({picture_part(0), picture_part(1), text_part("What differs?")});
  request.budget.max_latency_ms = 1e-3;
  const Answer reply = answer(*engine, request);
  ASSERT_EQ(reply.receipt.pictures.size(), 2U);
  for (const PictureReceipt& picture : reply.receipt.pictures) EXPECT_GT(picture.visual_tokens, 0);
}

TEST_P(BudgetTest, ABudgetOfMoneyNeedsPrices) {
  Request request = ask_within(std::nullopt);
  request.budget.max_cost_usd = 1;
  EXPECT_THAT(load()->answer(request).status().message(), HasSubstr("no prices"));
  EngineOptions options = engine_options();
  options.price = Price{.output_usd = 1e6};
  const auto engine = Engine::load(options);
  ASSERT_TRUE(engine.is_ok());
  const Answer reply = answer(**engine, request);
  ASSERT_TRUE(reply.receipt.cost);
  EXPECT_DOUBLE_EQ(reply.receipt.cost->usd, static_cast<double>(reply.receipt.tokens.generated));
  EXPECT_EQ(reply.receipt.budget->met_cost, reply.receipt.cost->usd <= 1);
}

TEST_P(BudgetTest, AbsurdBudgetsAreNamed) {
  const auto engine = load();
  for (const double ms : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    EXPECT_THAT(engine->answer(ask_within(ms)).status().message(), HasSubstr("max_latency_ms")) << ms;
  }
  Request request = ask_within(std::nullopt);
  request.budget.min_quality = 1.5;
  EXPECT_THAT(engine->answer(request).status().message(), HasSubstr("min_quality is 1.5"));
}

}  // namespace
}  // namespace saccade
