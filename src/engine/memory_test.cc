// What an answer may take of memory and context, as facts of its plan.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/testing/family_test.h"
#include "platform/process_memory.h"
#include "saccade/engine.h"
#include "tensor/tensor_memory.h"

namespace saccade {
namespace {

using ::saccade::testing::text_part;
using ::testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

EngineOptions small_model() {
  EngineOptions options;
  options.model_path = std::string(SACCADE_SOURCE_DIR) + "/models/saccade-mini.gguf";
  options.threads = 2;
  return options;
}

Request question() {
  Request request;
  request.messages = {
      {"user",
       {{ContentPart::Kind::kImage, "", std::string(SACCADE_SOURCE_DIR) + "/samples/demo/receipt.png", {}},
        text_part("What is the total?")}}};
  request.max_tokens = 16;
  return request;
}

// An engine that may take so much more than it has when it is loaded. The limit is on the whole process, so that what
// this test has in memory already counts, too.
std::unique_ptr<Engine> load_with(uint64_t room_bytes) {
  EngineOptions options = small_model();
  release_tensor_memory();
  uint64_t resident = 0;
  {
    const auto probe = Engine::load(options);
    EXPECT_TRUE(probe) << probe.status().message();
    resident = resident_bytes();
  }
  options.max_memory_bytes = resident + room_bytes;
  auto engine = Engine::load(options);
  EXPECT_TRUE(engine) << engine.status().message();
  return engine ? *std::move(engine) : nullptr;
}

TEST(Memory, LittleOfItMovesThePlanDown) {
  const auto engine = load_with(12 * kMiB);
  ASSERT_TRUE(engine);
  Request request = question();
  const auto whole = engine->answer(request);
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(whole.status().message(), ::testing::AllOf(HasSubstr("of memory, where"), HasSubstr("--within")));
  request.budget.max_latency_ms = 1e6;
  const auto within = engine->answer(request);
  ASSERT_TRUE(within) << within.status().message();
  EXPECT_NE(within->receipt.plan, "full");
  const auto& changes = within->receipt.budget->changes;
  ASSERT_FALSE(changes.empty());
  EXPECT_EQ(changes[0].stage, "start");
  EXPECT_THAT(changes[0].reason, HasSubstr("of memory"));
}

TEST(Memory, AFloorThatItForbidsIsNamed) {
  const auto engine = load_with(12 * kMiB);
  ASSERT_TRUE(engine);
  Request request = question();
  request.budget.min_quality = 1;
  const auto answer = engine->answer(request);
  ASSERT_TRUE(answer) << answer.status().message();
  EXPECT_EQ(answer->receipt.budget->met_quality, false);
  EXPECT_THAT(answer->receipt.budget->shortfall, ::testing::AllOf(HasSubstr("a quality of 1"), HasSubstr("of memory")));
}

TEST(Memory, NoneAtAllIsAnErrorBeforeAnythingIsComputed) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps memory of its own: there is no saying what a second load takes";
#endif
  const auto engine = load_with(256 << 10);
  ASSERT_TRUE(engine);
  Request request = question();
  request.budget.max_latency_ms = 1e6;
  const auto answer = engine->answer(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(answer.status().message(), HasSubstr("the cheapest plan takes"));
  EXPECT_TRUE(engine->explain(request));
}

TEST(Memory, AModelThatLeavesNoneIsRefused) {
  EngineOptions options = small_model();
  options.max_memory_bytes = kMiB;
  const auto engine = Engine::load(options);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(engine.status().message(), HasSubstr("--max-memory"));
}

TEST(Memory, AShortContextIsSolvedByACheaperPlan) {
  EngineOptions options = small_model();
  options.context_length = 300;
  const auto engine = Engine::load(options);
  ASSERT_TRUE(engine) << engine.status().message();
  Request request = question();
  const auto whole = (*engine)->answer(request);
  ASSERT_FALSE(whole);
  EXPECT_THAT(whole.status().message(), HasSubstr("the context holds 300"));
  request.budget.max_latency_ms = 1e6;
  const auto within = (*engine)->answer(request);
  ASSERT_TRUE(within) << within.status().message();
  EXPECT_LT(within->receipt.tokens.text + within->receipt.tokens.visual, 300);
  EXPECT_THAT(within->receipt.budget->changes[0].reason, HasSubstr("the context holds 300"));
  request.messages[0].content[1].text = std::string(2000, 'x');
  const auto hopeless = (*engine)->answer(request);
  ASSERT_FALSE(hopeless);
  EXPECT_EQ(hopeless.status().code(), StatusCode::kResourceExhausted);
}

TEST(Memory, ALongQueueMakesAnswersQuicker) {
  const auto engine = Engine::load(small_model());
  ASSERT_TRUE(engine) << engine.status().message();
  Request request = question();
  request.budget.max_latency_ms = 1e6;
  const auto alone = (*engine)->explain(request);
  request.budget.num_queued = 1000;
  const auto queued = (*engine)->explain(request);
  ASSERT_TRUE(alone && queued);
  const auto chosen_ms = [](const PlanExplanation& explanation) {
    for (const ConsideredPlan& plan : explanation.plans) {
      if (plan.is_chosen) return plan.predicted.latency_p95_ms;
    }
    return 0.0;
  };
  EXPECT_LT(chosen_ms(*queued), chosen_ms(*alone));
  request.budget.num_queued = -1;
  EXPECT_THAT((*engine)->answer(request).status().message(), HasSubstr("num_queued is -1"));
}

}  // namespace
}  // namespace saccade
