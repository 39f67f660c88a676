#include "constraint/token_mask.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "constraint/constraints.h"
#include "constraint/json_schema.h"
#include "constraint/testing/list_tokenizer.h"

namespace saccade {
namespace {

using testing::ListTokenizer;

std::shared_ptr<TokenMasks> masks_of(const std::string& schema, const Tokenizer& tokenizer) {
  auto grammar = compile_json_schema(schema);
  EXPECT_TRUE(grammar) << grammar.status().message();
  return std::make_shared<TokenMasks>(std::make_shared<const Grammar>(*std::move(grammar)),
                                      std::make_shared<const TokenTrie>(tokenizer));
}

std::vector<TokenId> allowed(TokenConstraint& constraint, const Tokenizer& tokenizer) {
  std::vector<float> logits(static_cast<size_t>(tokenizer.vocab_size()), 1);
  if (!constraint.mask(logits)) return {};
  std::vector<TokenId> tokens;
  for (TokenId token = 0; token < tokenizer.vocab_size(); ++token) {
    const float logit = logits[static_cast<size_t>(token)];
    EXPECT_TRUE(logit == 1 || std::isinf(logit));
    if (logit == 1) tokens.push_back(token);
    EXPECT_EQ(constraint.allows(token), logit == 1);
  }
  return tokens;
}

// Against every token tried by itself, byte by byte.
TEST(TokenMaskTest, EqualsTryingEveryToken) {
  std::mt19937 random(5);
  for (const char* schema :
       {R"({"type":"object"})", R"({"type":"array","items":{"type":"string","maxLength":5},"minItems":2})",
        R"({"type":"string","pattern":"^[a-z ]{3,9}(x|\\.)$"})", R"({"type":"array","items":{"type":"number"}})",
        R"({"type":"object","properties":{"name":{"type":"string"},"id":{"type":"integer"}},"required":["id"]})",
        R"({"enum":["name","named","id","na \"me"]})"}) {
    SCOPED_TRACE(schema);
    const ListTokenizer tokenizer = testing::random_tokenizer(random, 800);
    const auto masks = masks_of(schema, tokenizer);
    auto compiled = compile_json_schema(schema);
    const auto grammar = std::make_shared<const Grammar>(*std::move(compiled));
    for (int walk = 0; walk < 10; ++walk) {
      TokenConstraint constraint(masks);
      ConstraintState state(grammar);
      for (int i = 0; i < 25; ++i) {
        const std::vector<TokenId> tokens = allowed(constraint, tokenizer);
        std::vector<TokenId> expected;
        if (state.may_end()) expected.push_back(ListTokenizer::kEnd);
        for (TokenId token = 2; token < tokenizer.vocab_size(); ++token) {
          ConstraintState tried = state;
          bool fits = true;
          for (const char c : tokenizer.piece(token)) fits = fits && tried.advance(static_cast<uint8_t>(c));
          if (fits) expected.push_back(token);
        }
        ASSERT_EQ(tokens, expected);
        if (tokens.empty()) {
          EXPECT_TRUE(constraint.must_end());
          break;
        }
        const TokenId token = tokens[random() % tokens.size()];
        if (token == ListTokenizer::kEnd) break;
        ASSERT_TRUE(constraint.push(token));
        for (const char c : tokenizer.piece(token)) state.advance(static_cast<uint8_t>(c));
        EXPECT_EQ(constraint.may_end(), state.may_end());
        EXPECT_EQ(constraint.must_end(), state.must_end());
      }
    }
  }
}

// Each of these tokens leads to a state of its own, of many ways: not all are tried, but those that are found may come,
// and bytes are found always.
TEST(TokenMaskTest, PatternsThatTakeTooMuchWorkLoseLongTokensAlone) {
  std::mt19937 random(8);
  std::vector<std::string> pieces = ListTokenizer::bytes();
  for (int i = 0; i < 20'000; ++i) {
    std::string piece;
    for (int k = 0; k < 14; ++k) piece += random() % 2 == 0 ? 'a' : 'b';
    pieces.push_back(std::move(piece));
  }
  const ListTokenizer tokenizer(pieces);
  const std::string schema =
      R"({"type":"string","pattern":"^([ab]*a[ab]{40}|[ab]*b[ab]{39}|([ab]{1,60}a)*)[ab]{500}$"})";
  TokenConstraint constraint(masks_of(schema, tokenizer));
  auto compiled = compile_json_schema(schema);
  ConstraintState state(std::make_shared<const Grammar>(*std::move(compiled)));
  ASSERT_TRUE(constraint.push(2 + '"'));
  state.advance('"');
  for (int i = 0; i < 10; ++i) {
    const std::vector<TokenId> tokens = allowed(constraint, tokenizer);
    ASSERT_GE(tokens.size(), 2U);
    EXPECT_LT(tokens.size(), 20'000U);
    EXPECT_EQ(tokens[0], 2 + 'a');
    EXPECT_EQ(tokens[1], 2 + 'b');
    const TokenId token = tokens[random() % tokens.size()];
    ASSERT_TRUE(constraint.push(token));
    for (const char c : tokenizer.piece(token)) ASSERT_TRUE(state.advance(static_cast<uint8_t>(c)));
  }
}

TEST(TokenMaskTest, RefusesTokensThatMayNotCome) {
  const ListTokenizer tokenizer({"{", "}", "[", "{}", "x"});
  TokenConstraint constraint(masks_of(R"({"type":"object"})", tokenizer));
  EXPECT_FALSE(constraint.push(4));
  EXPECT_FALSE(constraint.push(ListTokenizer::kControl));
  EXPECT_FALSE(constraint.push(ListTokenizer::kEnd));
  EXPECT_FALSE(constraint.push(-1));
  EXPECT_FALSE(constraint.push(1000));
  EXPECT_FALSE(constraint.may_end());
  EXPECT_TRUE(constraint.push(5));
  EXPECT_TRUE(constraint.may_end());
  EXPECT_TRUE(constraint.must_end());
  std::vector<float> logits(static_cast<size_t>(tokenizer.vocab_size()), 0);
  EXPECT_TRUE(constraint.mask(logits));  // the end alone
  EXPECT_EQ(logits[0], 0);
  EXPECT_TRUE(std::isinf(logits[5]));
}

// There is no token for a quote: behind {"a": a string can't begin.
TEST(TokenMaskTest, AVocabularyAtALossSaysSo) {
  const ListTokenizer tokenizer({"{\"a\":", "x", "}"});
  TokenConstraint constraint(
      masks_of(R"({"type":"object","properties":{"a":{"type":"string"}},"required":["a"]})", tokenizer));
  EXPECT_TRUE(constraint.push(2));
  std::vector<float> logits(static_cast<size_t>(tokenizer.vocab_size()), 3);
  EXPECT_FALSE(constraint.mask(logits));
  EXPECT_EQ(logits, std::vector<float>(logits.size(), 3));
  EXPECT_FALSE(constraint.may_end());
}

TEST(TokenMaskTest, LogitsBeyondTheVocabularyAreMasked) {
  const ListTokenizer tokenizer({"{", "}"});
  TokenConstraint constraint(masks_of(R"({"type":"object"})", tokenizer));
  std::vector<float> logits(200, 0);
  EXPECT_TRUE(constraint.mask(logits));
  EXPECT_EQ(logits[2], 0);
  EXPECT_EQ(std::ranges::count(logits, 0.0F), 1);
}

// A string that is long enough to need several automata, one after the other, by two answers at different places.
TEST(TokenMaskTest, GoesOnWhenItsAutomatonIsReplaced) {
  std::mt19937 random(6);
  const ListTokenizer tokenizer = testing::random_tokenizer(random, 300);
  const auto masks = masks_of(R"({"type":"array","items":{"type":"string","maxLength":20000}})", tokenizer);
  TokenConstraint constraint(masks);
  TokenConstraint waiting(masks);
  const auto push = [&](TokenConstraint& to, const std::string& text) {
    for (const char c : text) ASSERT_TRUE(to.push(2 + static_cast<unsigned char>(c)));
  };
  push(constraint, "[\"");
  push(waiting, "[\"abc");
  for (int i = 0; i < 20000; ++i) ASSERT_TRUE(constraint.push(2 + 'x'));
  EXPECT_EQ(allowed(constraint, tokenizer).front(), 2 + '"');
  EXPECT_FALSE(constraint.allows(2 + 'x'));
  push(waiting, "d\",\"\"]");
  EXPECT_TRUE(waiting.must_end());
  push(constraint, "\"]");
  EXPECT_TRUE(constraint.must_end());
}

TEST(TokenMaskTest, ManyThreadsShareOneFormat) {
  std::mt19937 random(7);
  const ListTokenizer tokenizer = testing::random_tokenizer(random, 300);
  Constraints constraints(tokenizer);
  ResponseFormat format;
  format.kind = ResponseFormat::Kind::kJsonSchema;
  format.schema = R"({"type":"array","items":{"type":"object"},"minItems":1})";
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937 own(static_cast<uint32_t>(i));
      for (int k = 0; k < 5; ++k) {
        auto made = constraints.make(format);
        ASSERT_TRUE(made);
        TokenConstraint& constraint = **made;
        std::vector<float> logits(static_cast<size_t>(tokenizer.vocab_size()));
        for (int step = 0; step < 40; ++step) {
          std::ranges::fill(logits, 0.0F);
          if (!constraint.mask(logits)) break;
          auto token = static_cast<TokenId>(own() % logits.size());
          while (logits[static_cast<size_t>(token)] != 0)
            token = static_cast<TokenId>((token + 1) % tokenizer.vocab_size());
          if (tokenizer.is_end(token)) break;
          ASSERT_TRUE(constraint.push(token));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ConstraintsTest, TellsFormatsApart) {
  const ListTokenizer tokenizer(ListTokenizer::bytes());
  Constraints constraints(tokenizer);
  const auto text = constraints.make({});
  ASSERT_TRUE(text);
  EXPECT_FALSE(text->has_value());
  const auto takes = [&](const ResponseFormat& format, const std::string& document) {
    auto made = constraints.make(format);
    EXPECT_TRUE(made);
    for (const char c : document) {
      if (!(*made)->push(2 + static_cast<unsigned char>(c))) return false;
    }
    return (*made)->may_end();
  };
  const ResponseFormat object = {ResponseFormat::Kind::kJsonObject, "", false};
  EXPECT_TRUE(takes(object, R"({"a":1})"));
  EXPECT_FALSE(takes(object, "[]"));
  ResponseFormat schema = {ResponseFormat::Kind::kJsonSchema, R"({"properties":{"a":{}}})", false};
  EXPECT_TRUE(takes(schema, R"({"b":1})"));
  schema.is_strict = true;
  EXPECT_FALSE(takes(schema, R"({"b":1})"));
  for (int i = 0; i < 20; ++i) {  // more than are kept
    schema.schema = R"({"const":)" + std::to_string(i) + "}";
    EXPECT_TRUE(takes(schema, std::to_string(i)));
  }
  schema.schema = "{";
  EXPECT_EQ(constraints.make(schema).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace saccade
