// Answers that are computed together are what they are alone, whatever their plans and lengths, and whenever they come
// and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "engine/testing/family_test.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

using ::saccade::testing::text_part;
using ::testing::HasSubstr;
using ::testing::StartsWith;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kNumSchedules = 10;
#else
constexpr int kNumSchedules = 100;  // of each of five families
#endif

struct Asked {
  Request request;
  Answer alone;
};

class TogetherTest : public testing::FamilyTest {
 protected:
  std::unique_ptr<Engine> load_checking(uint64_t max_kv_bytes = 0) const {
    EngineOptions options = engine_options();
    options.checks_itself = true;
    options.max_kv_bytes = max_kv_bytes;
    auto engine = Engine::load(options);
    EXPECT_TRUE(engine) << engine.status().message();
    return *std::move(engine);
  }

  Request ask_by(const Plan& plan, std::vector<ContentPart> content, int64_t max_tokens) const {
    Request request = ask(std::move(content));
    request.sampling = {};
    request.plan = plan;
    request.max_tokens = max_tokens;
    return request;
  }

  /// Of every kind of plan, with and without pictures, short and long.
  std::vector<Asked> some_requests() const {
    std::vector<Plan> plans(7);
    plans[1].keep = 5;
    plans[2].skipped_layers = {1};
    plans[3].frozen_layers = {0};
    plans[4].prunings = {{1, 0.5, false}};
    plans[5].scale = 0.5;
    plans[6].exit = 0.02;
    std::vector<Asked> all;
    int64_t length = 3;
    for (const Plan& plan : plans) {
      all.push_back({ask_by(plan, {picture_part(0), text_part("Is the lamp red?")}, length), {}});
      length = (length + 7) % 30 + 1;
      all.push_back({ask_by(plan, {picture_part(1), text_part("What is there to be seen?")}, length), {}});
      length = (length + 7) % 30 + 1;
    }
    all.push_back({ask_by({}, {text_part("Count to three.")}, 40), {}});
    Request seeded = ask_by({}, {text_part("Tell a tale.")}, 25);
    seeded.sampling.temperature = 1;
    seeded.sampling.seed = 5;
    all.push_back({seeded, {}});
    for (Asked& asked : all) asked.alone = answer(*load(), asked.request);
    const size_t num_first = all.size();
    for (size_t i = 0; i < num_first; i += 3) {  // conversations that go on
      all.push_back({go_on(all[i].request, all[i].alone.text, {text_part("And now?")}), {}});
      all.back().alone = answer(*load(), all.back().request);
    }
    return all;
  }

  /// Asks as another thread would, `delay_us` from now; cancels behind the `cancel_behind`th piece of text.
  static void ask_later(Engine& engine, const Asked& asked, int delay_us, int cancel_behind) {
    std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
    AnswerCallbacks callbacks;
    int num_pieces = 0;
    callbacks.on_text = [&](std::string_view) { return ++num_pieces != cancel_behind; };
    const auto answer = engine.answer(asked.request, callbacks);
    ASSERT_TRUE(answer) << answer.status().message();
    if (answer->receipt.finish_reason == "cancelled") {
      EXPECT_THAT(asked.alone.text, StartsWith(answer->text));
      return;
    }
    EXPECT_EQ(answer->text, asked.alone.text);
    EXPECT_EQ(answer->receipt.tokens.generated, asked.alone.receipt.tokens.generated);
    EXPECT_EQ(answer->receipt.finish_reason, asked.alone.receipt.finish_reason);
  }

  static void ask_together(Engine& engine, const std::vector<Asked>& all, std::mt19937& random) {
    const auto draw = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
    std::vector<std::thread> threads;
    for (int i = draw(2, 7); i > 0; --i) {
      const Asked& asked = all[static_cast<size_t>(draw(0, static_cast<int>(all.size()) - 1))];
      const int cancel_behind = draw(0, 5) == 0 ? draw(1, 6) : -1;
      threads.emplace_back(ask_later, std::ref(engine), std::cref(asked), draw(0, 4000), cancel_behind);
    }
    for (std::thread& thread : threads) thread.join();
  }
};

INSTANTIATE_TEST_SUITE_P(Families, TogetherTest,
                         ::testing::Values("llava", "llava_next", "smolvlm", "qwen2_vl", "qwen2_5_vl"),
                         testing::family_name);

TEST_P(TogetherTest, AnswersAreWhatTheyAreAlone) {
  const std::vector<Asked> all = some_requests();
  const auto engine = load_checking();
  std::mt19937 random(7);
  for (int i = 0; i < kNumSchedules && !HasFailure(); ++i) {
    SCOPED_TRACE("schedule " + std::to_string(i));
    if (i % 4 == 0) engine->forget();
    ask_together(*engine, all, random);
  }
}

// Memory for the keys and values of little more than one of them: they give way and are computed anew.
TEST_P(TogetherTest, AnswersThatGaveWayAreWhatTheyAreAlone) {
  const std::vector<Asked> all = some_requests();
  uint64_t block_bytes = 0;
  for (uint64_t bytes = 1 << 12; block_bytes == 0; bytes += 1 << 12) {  // the least that the longest fits into
    const auto engine = load_checking(bytes);
    const auto fits = [&](const Asked& asked) { return engine->answer(asked.request).is_ok(); };
    if (std::ranges::all_of(all, fits)) block_bytes = bytes;
  }
  const auto engine = load_checking(block_bytes + block_bytes / 4);
  std::mt19937 random(8);
  for (int i = 0; i < kNumSchedules / 5 && !HasFailure(); ++i) {
    SCOPED_TRACE("schedule " + std::to_string(i));
    ask_together(*engine, all, random);
  }
}

TEST_P(TogetherTest, WhatACallbackThrowsEndsItsOwnAnswerAlone) {
  const std::vector<Asked> all = some_requests();
  const auto engine = load_checking();
  std::thread bad([&] {
    AnswerCallbacks callbacks;
    callbacks.on_text = [](std::string_view) -> bool { throw std::runtime_error("no more paper"); };
    const auto answer = engine->answer(all[0].request, callbacks);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.status().code(), StatusCode::kInternal);
    EXPECT_THAT(answer.status().message(), HasSubstr("no more paper"));
  });
  ask_later(*engine, all[3], 0, -1);
  bad.join();
  ask_later(*engine, all[0], 0, -1);
}

}  // namespace
}  // namespace saccade
