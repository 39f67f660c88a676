// The engine on the tiny models of tests/parity: whatever an engine has been through, it answers as a fresh one.
#include "saccade/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/testing/family_test.h"

namespace saccade {
namespace {

using ::saccade::testing::text_part;
using ::testing::HasSubstr;

class EngineTest : public testing::FamilyTest {};

INSTANTIATE_TEST_SUITE_P(Families, EngineTest,
                         ::testing::Values("llava", "llava_next", "smolvlm", "qwen2_vl", "qwen2_5_vl"),
                         testing::family_name);

TEST_P(EngineTest, TheSecondTurnTakesThePictureFromTheCache) {
  const auto engine = load();
  const Request first = ask({picture_part(0), text_part("Is the lamp red?")});
  const Answer opening = answer(*engine, first);
  const Request second = go_on(first, opening.text, {text_part("And the door?")});
  const Answer reply = answer(*engine, second);
  expect_as_fresh(reply, second);
  EXPECT_GT(reply.receipt.tokens.cached, opening.receipt.tokens.visual);
  EXPECT_EQ(reply.receipt.stages_ms.encode, 0);
  ASSERT_EQ(reply.receipt.pictures.size(), 1U);
  EXPECT_TRUE(reply.receipt.pictures[0].is_cached);
  EXPECT_FALSE(opening.receipt.pictures[0].is_cached);
  EXPECT_GT(opening.receipt.pictures[0].num_tiles, 0);
  EXPECT_EQ(reply.receipt.pictures[0].num_tiles, opening.receipt.pictures[0].num_tiles);
}

TEST_P(EngineTest, ASecondPictureIsPutBehindTheCachedOne) {
  const auto engine = load();
  const Request first = ask({picture_part(0), text_part("Is the lamp red?")});
  const Request second = go_on(first, answer(*engine, first).text, {picture_part(1), text_part("And in this one?")});
  const Answer reply = answer(*engine, second);
  expect_as_fresh(reply, second);
  ASSERT_EQ(reply.receipt.pictures.size(), 2U);
  EXPECT_TRUE(reply.receipt.pictures[0].is_cached);
  EXPECT_FALSE(reply.receipt.pictures[1].is_cached);
}

TEST_P(EngineTest, AsksTheSamePictureAgain) {
  const auto engine = load();
  const Request request = ask({picture_part(0), text_part("What is it?")});
  const Answer first = answer(*engine, request);
  const Answer again = answer(*engine, request);
  expect_as_fresh(again, request);
  EXPECT_EQ(again.receipt.tokens.cached, again.receipt.tokens.text + again.receipt.tokens.visual - 1);
  const Request other = ask({picture_part(0), text_part("Where is it?")});
  expect_as_fresh(answer(*engine, other), other);
}

/// Answers to text that repeats itself, with and without guessing; `num_guessed` counts the guesses.
void expect_same_with_guesses(EngineOptions options, const Sampling& sampling, int64_t& num_guessed) {
  Request request;
  request.messages.push_back(
      {"user", {text_part("Say it again: one two three four, one two three four, one two three four, one two")}});
  request.max_tokens = 60;
  request.sampling = sampling;
  options.threads = 2;
  std::vector<std::string> texts;
  for (const bool speculates : {false, true}) {
    options.speculates = speculates;
    const auto engine = Engine::load(options);
    ASSERT_TRUE(engine) << engine.status().message();
    const auto answer = (*engine)->answer(request);
    ASSERT_TRUE(answer) << answer.status().message();
    texts.push_back(answer->text);
    EXPECT_LE(answer->receipt.tokens.guessed_right, answer->receipt.tokens.guessed);
    if (speculates) num_guessed += answer->receipt.tokens.guessed;
    if (!speculates) {
      EXPECT_EQ(answer->receipt.tokens.guessed, 0);
    }
  }
  EXPECT_EQ(texts[0], texts[1]);
}

TEST_P(EngineTest, GuessingChangesNoToken) {
  EngineOptions options;
  options.model_path = model_->path();
  int64_t num_guessed = 0;
  expect_same_with_guesses(options, {}, num_guessed);
  Sampling warm;
  warm.temperature = 0.7f;
  warm.seed = 5;
  expect_same_with_guesses(options, warm, num_guessed);
}

TEST_P(EngineTest, ForgetsWhatItKept) {
  const auto engine = load();
  const Request request = ask({picture_part(0), text_part("What is in the picture?")});
  const auto first = engine->answer(request);
  ASSERT_TRUE(first) << first.status().message();
  engine->forget();
  const auto second = engine->answer(request);
  ASSERT_TRUE(second) << second.status().message();
  EXPECT_EQ(second->text, first->text);
  EXPECT_EQ(second->receipt.tokens.cached, 0);
  EXPECT_FALSE(second->receipt.pictures[0].is_cached);
  EXPECT_GT(second->receipt.stages_ms.encode, 0);
  EXPECT_GT(second->receipt.pictures[0].resized_width, 0);
}

TEST_P(EngineTest, LooksAtAnotherPicture) {
  const auto engine = load();
  const Request one = ask({picture_part(0), text_part("What is it?")});
  const Request other = ask({picture_part(1), text_part("What is it?")});
  const Answer of_one = answer(*engine, one);
  const Answer of_other = answer(*engine, other);
  EXPECT_NE(of_other.text, of_one.text);  // or the tests here would prove nothing
  EXPECT_FALSE(of_other.receipt.pictures[0].is_cached);
  expect_as_fresh(of_other, other);
  expect_as_fresh(answer(*engine, one), one);
}

TEST_P(EngineTest, AnswersRightAfterBeingCancelledBeforeTheFirstToken) {
  for (const char* stage : {"encode", "prefill"}) {
    SCOPED_TRACE(stage);
    const auto engine = load();
    const Request request = ask({picture_part(0), text_part("Is the lamp red?")});
    AnswerCallbacks callbacks;
    callbacks.on_progress = [&](const Progress& now) { return now.stage != stage || now.fraction < 0.4; };
    const Answer stopped = answer(*engine, request, callbacks);
    EXPECT_EQ(stopped.receipt.finish_reason, "cancelled");
    EXPECT_EQ(stopped.text, "");
    EXPECT_EQ(stopped.receipt.tokens.generated, 0);
    EXPECT_FALSE(stopped.receipt.ttft_ms.has_value());
    expect_as_fresh(answer(*engine, request), request);

    const Request second = go_on(request, "No.", {picture_part(1), text_part("And in this one?")});
    EXPECT_EQ(answer(*engine, second, callbacks).receipt.finish_reason, "cancelled");
    const Answer reply = answer(*engine, second);
    EXPECT_TRUE(reply.receipt.pictures[0].is_cached);
    expect_as_fresh(reply, second);
  }
}

TEST_P(EngineTest, AnswersRightAfterBeingCancelledInTheMiddle) {
  const auto engine = load();
  const Request request = ask({picture_part(0), text_part("Is the lamp red?")});
  const std::string whole = answer(*load(), request).text;
  AnswerCallbacks callbacks;
  int num_pieces = 0;
  callbacks.on_text = [&](std::string_view) { return ++num_pieces < 3; };
  const Answer stopped = answer(*engine, request, callbacks);
  EXPECT_EQ(num_pieces, 3);
  EXPECT_EQ(stopped.receipt.finish_reason, "cancelled");
  EXPECT_TRUE(whole.starts_with(stopped.text));
  EXPECT_LT(stopped.text.size(), whole.size());
  EXPECT_TRUE(stopped.receipt.ttft_ms.has_value());
  const Request second = go_on(request, stopped.text, {text_part("And the door?")});
  expect_as_fresh(answer(*engine, second), second);
  expect_as_fresh(answer(*engine, request), request);
}

TEST_P(EngineTest, AnswersRightAfterABrokenPicture) {
  const auto engine = load();
  const Request good = ask({picture_part(0), text_part("Is the lamp red?")});
  answer(*engine, good);
  ContentPart broken = picture_part(1);
  std::ifstream file(broken.path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const auto half = std::as_bytes(std::span(bytes)).first(bytes.size() / 2);
  broken.bytes.assign(half.begin(), half.end());
  for (const Request& bad : {go_on(good, "No.", {broken, text_part("And in this one?")}),
                             ask({picture_part(1), broken, text_part("Which is broken?")})}) {
    const auto refused = engine->answer(bad);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.status().code(), StatusCode::kCorruptData) << refused.status().message();
    EXPECT_THAT(refused.status().message(), HasSubstr("conversation_1.png"));
    expect_as_fresh(answer(*engine, good), good);
  }
}

TEST_P(EngineTest, AnswersRightAfterAPromptThatIsTooLong) {
  const auto engine = load();
  const Request good = ask({picture_part(0), text_part("Is the lamp red?")});
  answer(*engine, good);
  std::string words;
  for (int i = 0; i < 2000; ++i) words += std::to_string(i) + " ";
  const auto refused = engine->answer(go_on(good, "No.", {text_part(words)}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.status().message(), HasSubstr("the context holds"));
  const Request second = go_on(good, "No.", {text_part("And the door?")});
  expect_as_fresh(answer(*engine, second), second);
}

TEST_P(EngineTest, AnswersRightAfterACallbackThrew) {
  const auto engine = load();
  const Request request = ask({picture_part(0), text_part("Is the lamp red?")});
  int num_pieces = 0;
  AnswerCallbacks in_text;
  in_text.on_text = [&](std::string_view) { return ++num_pieces < 3 ? true : throw std::runtime_error("no reader"); };
  AnswerCallbacks in_prefill;
  in_prefill.on_progress = [](const Progress& now) {
    return now.stage == "encode" ? true : throw std::runtime_error("no reader");
  };
  for (const AnswerCallbacks& callbacks : {in_prefill, in_text}) {
    const auto failed = engine->answer(request, callbacks);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.status().code(), StatusCode::kInternal);
    EXPECT_THAT(failed.status().message(), HasSubstr("no reader"));
    expect_as_fresh(answer(*engine, request), request);
  }
}

TEST_P(EngineTest, EmbedsTextAndPicturesInOneSpace) {
  const auto engine = load();
  const auto embed = [&](std::vector<ContentPart> content) {
    const auto embedding = engine->embed(ask(std::move(content)));
    EXPECT_TRUE(embedding) << embedding.status().message();
    return *embedding;
  };
  const Embedding picture = embed({picture_part(0)});
  const Embedding text = embed({text_part("Is the lamp red?")});
  ASSERT_EQ(picture.vector.size(), text.vector.size());
  EXPECT_GT(picture.image_tokens, 0);
  EXPECT_EQ(text.image_tokens, 0);
  EXPECT_EQ(picture.space, "pooled");
  const auto dot = [](const Embedding& a, const Embedding& b) {
    return std::inner_product(a.vector.begin(), a.vector.end(), b.vector.begin(), 0.0);
  };
  EXPECT_EQ(std::ssize(text.vector), engine->info().embedding_dim);
  EXPECT_NEAR(dot(text, text), 1, 1e-5);
  EXPECT_NEAR(dot(picture, picture), 1, 1e-5);
  EXPECT_LT(dot(picture, text), 0.9999);
  EXPECT_EQ(embed({picture_part(0)}).vector, picture.vector) << "nothing is taken over";
  EXPECT_NE(embed({picture_part(1)}).vector, picture.vector);
  expect_as_fresh(answer(*engine, ask({picture_part(0)})), ask({picture_part(0)}));
  EXPECT_FALSE(engine->embed(Request()));
}

TEST_P(EngineTest, TellsHowLikelyEachTokenWas) {
  const auto engine = load();
  Request request = ask({picture_part(0), text_part("Is the lamp red?")});
  const Answer unasked = answer(*engine, request);
  EXPECT_TRUE(unasked.logprobs.empty());
  request.logprobs = 3;
  std::vector<TokenLogprobs> streamed;
  AnswerCallbacks callbacks;
  callbacks.on_logprobs = [&](const TokenLogprobs& logprobs) { streamed.push_back(logprobs); };
  const Answer drawn = answer(*engine, request, callbacks);
  EXPECT_EQ(drawn.text, unasked.text) << "telling changes nothing";
  ASSERT_EQ(std::ssize(drawn.logprobs) + (drawn.receipt.finish_reason == "stop" ? 1 : 0),
            drawn.receipt.tokens.generated);
  ASSERT_EQ(streamed.size(), drawn.logprobs.size());
  for (size_t i = 0; i < streamed.size(); ++i) {
    const TokenLogprobs& told = drawn.logprobs[i];
    EXPECT_EQ(streamed[i].token.bytes, told.token.bytes);
    ASSERT_EQ(told.likeliest.size(), 3U);
    EXPECT_LE(told.token.logprob, told.likeliest[0].logprob);
    EXPECT_GE(told.likeliest[1].logprob, told.likeliest[2].logprob);
    EXPECT_LE(told.likeliest[0].logprob, 0);
  }
  request.sampling = {};
  for (const TokenLogprobs& told : answer(*engine, request).logprobs) {
    EXPECT_EQ(told.token.logprob, told.likeliest[0].logprob) << "the likeliest is drawn";
  }
}

TEST_P(EngineTest, StagesAddUpToTheLatency) {
  const auto engine = load();
  const Request request = ask({picture_part(0), picture_part(1), text_part("Which is larger?")});
  AnswerCallbacks stop_early;
  stop_early.on_progress = [](const Progress& now) { return now.fraction < 0.4; };
  for (const AnswerCallbacks& callbacks : {AnswerCallbacks(), AnswerCallbacks(), stop_early}) {
    const Receipt receipt = answer(*engine, request, callbacks).receipt;
    const StageTimes& ms = receipt.stages_ms;
    const double sum =
        ms.load + ms.media_decode + ms.prompt + ms.resize + ms.encode + ms.project + ms.prefill + ms.decode;
    EXPECT_LE(sum, receipt.latency_ms + 1e-6);
    EXPECT_GT(sum, 0.95 * receipt.latency_ms - 5);
    EXPECT_GT(ms.media_decode, 0);
    EXPECT_GT(ms.prompt, 0);
    EXPECT_LT(receipt.ttft_ms.value_or(0), receipt.latency_ms);
  }
}

TEST(Engine, SaysWhichFileIsMissing) {
  EngineOptions options;
  options.model_path = "no/such.gguf";
  const auto engine = Engine::load(options);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(engine.status().message(), HasSubstr("no/such.gguf"));
}

}  // namespace
}  // namespace saccade
