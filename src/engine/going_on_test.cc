// Conversations within budgets: what an earlier answer computed is a fact of the next one's plan.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "engine/testing/family_test.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

using ::saccade::testing::text_part;
using ::testing::HasSubstr;

class GoingOnTest : public testing::FamilyTest {
 protected:
  /// Without encoded pictures that other plans could take: conversations alone are what these tests are about.
  std::unique_ptr<Engine> load() const {
    EngineOptions options = engine_options();
    options.picture_cache_bytes = 0;
    auto engine = Engine::load(options);
    EXPECT_TRUE(engine) << engine.status().message();
    return *std::move(engine);
  }

  // A floor that the full plan alone keeps, and all the time there is.
  static Request in_full(Request request) {
    request.budget.max_latency_ms = 1e6;
    request.budget.min_quality = 1;
    return request;
  }
  static Request without_budget(Request request) {
    request.budget = {};
    return request;
  }
  static Request opening() { return ask({picture_part(0), text_part("Is the lamp red?")}); }
};

INSTANTIATE_TEST_SUITE_P(Families, GoingOnTest,
                         ::testing::Values("llava", "llava_next", "smolvlm", "qwen2_vl", "qwen2_5_vl"),
                         testing::family_name);

TEST_P(GoingOnTest, TheSecondTurnTakesThePictureFromTheCache) {
  const auto engine = load();
  const Request first = in_full(opening());
  const Answer beginning = answer(*engine, first);
  const Request second = go_on(first, beginning.text, {text_part("And the door?")});
  const Answer reply = answer(*engine, second);
  expect_as_fresh(reply, without_budget(second));
  EXPECT_GT(reply.receipt.tokens.cached, beginning.receipt.tokens.visual);
  EXPECT_EQ(reply.receipt.stages_ms.encode, 0);
  EXPECT_TRUE(reply.receipt.pictures[0].is_cached);
  EXPECT_EQ(reply.receipt.pictures[0].num_tiles, beginning.receipt.pictures[0].num_tiles);
  const BudgetReceipt& budget = *reply.receipt.budget;
  EXPECT_EQ(budget.claim.kind, QualityClaim::Kind::kFull);
  EXPECT_EQ(budget.predicted.stages_ms.encode, 0);
  EXPECT_EQ(budget.full.latency_ms, budget.predicted.latency_ms);
  EXPECT_TRUE(budget.changes.empty());
}

TEST_P(GoingOnTest, WhatAPlanThinnedOutIsTakenOverToo) {
  const auto engine = load();
  Request first = opening();
  first.plan.scale = 0.75;
  first.plan.skip_equal = 0;
  first.plan.keep_share = 0.5;
  first.budget.max_latency_ms = 1e6;
  const Answer beginning = answer(*engine, first);
  const Request second = go_on(first, beginning.text, {text_part("And the door?")});
  const Answer reply = answer(*engine, second);
  expect_as_fresh(reply, without_budget(second));
  EXPECT_EQ(reply.receipt.plan, beginning.receipt.plan);
  EXPECT_TRUE(reply.receipt.pictures[0].is_cached);
  EXPECT_EQ(reply.receipt.pictures[0].resized_width, beginning.receipt.pictures[0].resized_width);
  EXPECT_EQ(reply.receipt.budget->claim.epsilon, beginning.receipt.budget->claim.epsilon);
}

TEST_P(GoingOnTest, AnAnswerWithoutABudgetLeavesItsRowsToo) {
  const auto engine = load();
  const Answer beginning = answer(*engine, opening());
  const Request second = go_on(in_full(opening()), beginning.text, {text_part("And the door?")});
  const Answer reply = answer(*engine, second);
  expect_as_fresh(reply, without_budget(second));
  EXPECT_TRUE(reply.receipt.pictures[0].is_cached);
}

TEST_P(GoingOnTest, AHigherFloorLooksAnewAndALowerOneDoesNot) {
  const auto engine = load();
  Request first = opening();
  first.budget.max_latency_ms = 1e-3;
  const Answer hasty = answer(*engine, first);
  EXPECT_NE(hasty.receipt.plan, "full");
  const Request second = in_full(go_on(first, hasty.text, {text_part("And the door?")}));
  const Answer careful = answer(*engine, second);
  EXPECT_EQ(careful.receipt.plan, "full");
  EXPECT_FALSE(careful.receipt.pictures[0].is_cached);
  expect_as_fresh(careful, without_budget(second));
  Request third = go_on(second, careful.text, {text_part("And the window?")});
  third.budget.min_quality = 0.1;
  const Answer easy = answer(*engine, third);
  EXPECT_EQ(easy.receipt.plan, "full");
  EXPECT_TRUE(easy.receipt.pictures[0].is_cached);
}

TEST_P(GoingOnTest, ASecondPictureIsLookedAtByTheSamePlan) {
  const auto engine = load();
  const Request first = in_full(opening());
  const Request second = go_on(first, answer(*engine, first).text, {picture_part(1), text_part("And in this one?")});
  const Answer reply = answer(*engine, second);
  expect_as_fresh(reply, without_budget(second));
  ASSERT_EQ(reply.receipt.pictures.size(), 2U);
  EXPECT_TRUE(reply.receipt.pictures[0].is_cached);
  EXPECT_FALSE(reply.receipt.pictures[1].is_cached);
  EXPECT_GT(reply.receipt.budget->predicted.stages_ms.encode, 0);
}

TEST_P(GoingOnTest, APictureOfAnotherConversationIsLookedAtAnew) {
  const auto engine = load();
  answer(*engine, in_full(opening()));
  const Request other = in_full(ask({picture_part(1), text_part("Is the lamp red?")}));
  const Answer reply = answer(*engine, other);
  EXPECT_FALSE(reply.receipt.pictures[0].is_cached);
  expect_as_fresh(reply, without_budget(other));
}

TEST_P(GoingOnTest, IsExplained) {
  const auto engine = load();
  const Request first = in_full(opening());
  const Request second = go_on(first, answer(*engine, first).text, {text_part("And the door?")});
  const auto explanation = engine->explain(second);
  ASSERT_TRUE(explanation) << explanation.status().message();
  const auto chosen = std::ranges::find(explanation->plans, true, &ConsideredPlan::is_chosen);
  ASSERT_NE(chosen, explanation->plans.end());
  EXPECT_THAT(chosen->verdict, HasSubstr("takes over the conversation's rows"));
  EXPECT_EQ(std::ranges::count(explanation->plans, true, &ConsideredPlan::is_chosen), 1);
  engine->forget();
  const auto fresh = engine->explain(second);
  ASSERT_TRUE(fresh) << fresh.status().message();
  for (const ConsideredPlan& plan : fresh->plans) EXPECT_EQ(plan.verdict.find("takes over"), std::string::npos);
}

TEST(GoingOn, TheSmallModelsSecondTurnHasMuchLessToDo) {
  EngineOptions options;
  options.model_path = std::string(SACCADE_SOURCE_DIR) + "/models/saccade-mini.gguf";
  const auto engine = Engine::load(options);
  ASSERT_TRUE(engine) << engine.status().message();
  Request request;
  request.messages = {
      {"user",
       {{ContentPart::Kind::kImage, "", std::string(SACCADE_SOURCE_DIR) + "/samples/demo/receipt.png", {}},
        text_part("What is the total?")}}};
  request.plan.keep_share = 1;  // the model's own strategy chooses anew for every question
  request.plan.skip_equal = 0;
  request.budget.min_quality = 0.98;
  const auto first = (*engine)->answer(request);
  ASSERT_TRUE(first) << first.status().message();
  request.messages.push_back({"assistant", {text_part(first->text)}});
  request.messages.push_back({"user", {text_part("What is the date?")}});
  const auto second = (*engine)->answer(request);
  ASSERT_TRUE(second) << second.status().message();
  EXPECT_EQ(second->receipt.plan, first->receipt.plan);
  EXPECT_NE(second->receipt.plan, "full");
  EXPECT_TRUE(second->receipt.pictures[0].is_cached);
  EXPECT_EQ(second->receipt.budget->claim.kind, QualityClaim::Kind::kCertified);
  EXPECT_EQ(second->receipt.budget->predicted.stages_ms.encode, 0);
  EXPECT_LT(second->receipt.flops.total(), first->receipt.flops.total() / 4);
}

}  // namespace
}  // namespace saccade
