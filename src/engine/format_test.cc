// Answers under a format are what the format says, whatever the model would rather say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "constraint/automaton.h"
#include "constraint/json_schema.h"
#include "constraint/testing/schema_checker.h"
#include "engine/testing/family_test.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;
using testing::text_part;

constexpr const char* kReceiptSchema = R"({
  "type": "object",
  "properties": {
    "shop": {"type": "string", "maxLength": 12},
    "total": {"type": "number", "minimum": 0, "maximum": 1000},
    "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "maxItems": 3},
    "paid": {"enum": ["cash", "card", null]}
  },
  "required": ["shop", "total", "paid"],
  "additionalProperties": false,
  "$defs": {"item": {"type": "object", "properties": {"name": {"type": "string", "pattern": "^[A-Za-z ]{1,10}$"},
                                                      "count": {"type": "integer", "minimum": 1, "maximum": 20}},
                     "required": ["name"], "additionalProperties": false}}
})";

Request under(const std::string& schema, uint64_t seed, float temperature) {
  Request request;
  request.messages = {{"user", {text_part("Read the receipt.")}}};
  request.format = {ResponseFormat::Kind::kJsonSchema, schema, false};
  request.sampling.temperature = temperature;
  request.sampling.seed = seed;
  request.max_tokens = 120;
  return request;
}

// A whole text of the schema, or, where it was cut, the beginning of one.
void expect_keeps(const std::string& schema, const Answer& answer) {
  SCOPED_TRACE(answer.text);
  if (answer.receipt.finish_reason == "stop") {
    const auto value = nlohmann::json::parse(answer.text, nullptr, /*allow_exceptions=*/false);
    ASSERT_FALSE(value.is_discarded());
    EXPECT_TRUE(testing::SchemaChecker(nlohmann::json::parse(schema)).holds(value));
    return;
  }
  ASSERT_EQ(answer.receipt.finish_reason, "length");
  auto grammar = compile_json_schema(schema);
  ASSERT_TRUE(grammar);
  ConstraintState state(std::make_shared<const Grammar>(*std::move(grammar)));
  // The last character may have been cut too.
  const size_t whole = answer.text.ends_with("\xEF\xBF\xBD") ? answer.text.size() - 3 : answer.text.size();
  for (const char c : answer.text.substr(0, whole)) ASSERT_TRUE(state.advance(static_cast<uint8_t>(c)));
}

std::unique_ptr<Engine> load_mini(bool speculates = true) {
  EngineOptions options;
  options.model_path = std::string(SACCADE_SOURCE_DIR) + "/models/saccade-mini.gguf";
  options.threads = 2;
  options.speculates = speculates;
  auto engine = Engine::load(options);
  EXPECT_TRUE(engine) << engine.status().message();
  return *std::move(engine);
}

TEST(FormatTest, HotDrawsKeepTheSchema) {
  const auto engine = load_mini();
  int num_whole = 0;
  std::set<std::string> texts;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto answer = engine->answer(under(kReceiptSchema, seed, 1.5F));
    ASSERT_TRUE(answer) << answer.status().message();
    expect_keeps(kReceiptSchema, *answer);
    num_whole += answer->receipt.finish_reason == "stop" ? 1 : 0;
    texts.insert(answer->text);
  }
  EXPECT_GT(num_whole, 10);
  EXPECT_GT(texts.size(), 40U);
}

TEST(FormatTest, GuessesDoNotChangeIt) {
  const auto guessing = load_mini();
  const auto plain = load_mini(/*speculates=*/false);
  int64_t num_right = 0;
  for (const char* schema :
       {kReceiptSchema,
        R"({"type":"array","items":{"const":{"name":"value","next":"value"}},"minItems":6,"maxItems":6})"}) {
    for (const float temperature : {0.0F, 0.7F}) {
      const auto with = guessing->answer(under(schema, 3, temperature));
      const auto without = plain->answer(under(schema, 3, temperature));
      ASSERT_TRUE(with && without);
      EXPECT_EQ(with->text, without->text);
      EXPECT_EQ(with->receipt.finish_reason, without->receipt.finish_reason);
      expect_keeps(schema, *with);
      num_right += with->receipt.tokens.guessed_right;
    }
  }
  EXPECT_GT(num_right, 0);
}

TEST(FormatTest, EndsWhereTheTextIsWhole) {
  const auto engine = load_mini();
  const auto constant = engine->answer(under(R"({"const":{"a":[true,"b"]}})", 1, 1));
  ASSERT_TRUE(constant);
  EXPECT_EQ(nlohmann::json::parse(constant->text), nlohmann::json::parse(R"({"a":[true,"b"]})"));
  EXPECT_EQ(constant->receipt.finish_reason, "stop");
  Request cut = under(R"({"type":"array","items":{"const":"longer"},"minItems":50})", 1, 1);
  cut.max_tokens = 10;
  const auto answer = engine->answer(cut);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->receipt.finish_reason, "length");
  EXPECT_EQ(answer->receipt.tokens.generated, 10);
}

TEST(FormatTest, AnyObject) {
  const auto engine = load_mini();
  Request request = under("", 0, 1.2F);
  request.format.kind = ResponseFormat::Kind::kJsonObject;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    request.sampling.seed = seed;
    const auto answer = engine->answer(request);
    ASSERT_TRUE(answer);
    if (answer->receipt.finish_reason == "stop") {
      const auto value = nlohmann::json::parse(answer->text, nullptr, /*allow_exceptions=*/false);
      EXPECT_TRUE(value.is_object()) << answer->text;
    }
  }
}

// What may not come is as likely as it was: probabilities are the model's.
TEST(FormatTest, LogprobsAreOfTheModelWithoutIt) {
  const auto engine = load_mini();
  Request free = under("", 0, 0);
  free.format = {};
  free.logprobs = 3;
  free.max_tokens = 1;
  Request bound = under(R"({"const":"zebra"})", 0, 0);
  bound.logprobs = 3;
  const auto without = engine->answer(free);
  const auto with = engine->answer(bound);
  ASSERT_TRUE(without && with);
  ASSERT_FALSE(with->logprobs.empty());
  EXPECT_EQ(static_cast<int64_t>(with->logprobs.size()), with->receipt.tokens.generated);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(with->logprobs[0].likeliest[i].bytes, without->logprobs[0].likeliest[i].bytes);
    EXPECT_NEAR(with->logprobs[0].likeliest[i].logprob, without->logprobs[0].likeliest[i].logprob, 1e-3);
  }
  EXPECT_LT(with->logprobs[0].token.logprob, without->logprobs[0].token.logprob);
}

TEST(FormatTest, ASchemaThatCannotBeKeptIsRefusedFirst) {
  const auto engine = load_mini();
  bool has_begun = false;
  AnswerCallbacks callbacks;
  callbacks.on_progress = [&](const Progress&) { return has_begun = true; };
  const auto refused = engine->answer(under(R"({"type":"object","properties":{"a":{"not":{}}}})", 0, 0), callbacks);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(refused.status().message(), HasSubstr("/properties/a"));
  EXPECT_FALSE(has_begun);
  EXPECT_EQ(engine->answer(under("{", 0, 0)).status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(engine->answer(under("{}", 0, 0)));
}

TEST(FormatTest, AnswersOfManyThreadsKeepTheirOwn) {
  const auto engine = load_mini();
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const std::string schema =
          i % 2 == 0 ? kReceiptSchema : R"({"type":"array","items":{"type":"boolean"},"minItems":4})";
      for (uint64_t seed = 0; seed < 3; ++seed) {
        const auto answer = engine->answer(under(schema, seed, 1));
        ASSERT_TRUE(answer);
        expect_keeps(schema, *answer);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Vocabularies of all families, untrained models.
class FamilyFormatTest : public testing::FamilyTest {};

INSTANTIATE_TEST_SUITE_P(Families, FamilyFormatTest, ::testing::Values("llava", "smolvlm", "qwen2_vl"),
                         testing::family_name);

TEST_P(FamilyFormatTest, EveryVocabularyKeepsTheSchema) {
  const auto engine = load();
  const std::string schema = R"({"type":"object","properties":{"a":{"type":"string","maxLength":5},
      "b":{"type":"array","items":{"type":"integer"},"maxItems":3}},"required":["a","b"],"additionalProperties":false})";
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const auto answer = engine->answer(under(schema, seed, 1.5F));
    ASSERT_TRUE(answer) << answer.status().message();
    expect_keeps(schema, *answer);
  }
}

}  // namespace
}  // namespace saccade
