// Every text that can be drawn under a random schema satisfies it, and every document written for it can be drawn.
#include "constraint/testing/random_schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "constraint/json_schema.h"
#include "constraint/testing/list_tokenizer.h"
#include "constraint/testing/schema_checker.h"
#include "constraint/token_mask.h"

namespace saccade {
namespace {

using testing::ListTokenizer;
using testing::RandomSchemas;
using testing::SchemaChecker;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kNumSchemas = 60;
#else
constexpr int kNumSchemas = 600;  // some 370 of them different
#endif
constexpr int kWalksOfEach = 4;
constexpr int kDocumentsOfEach = 6;
constexpr int kFreeTokens = 60;  // drawn uniformly; then those that close something come first
constexpr int kMaxTokens = 3000;

std::shared_ptr<const Grammar> compile(const std::string& schema) {
  auto grammar = compile_json_schema(schema);
  EXPECT_TRUE(grammar) << grammar.status().message() << "\n" << schema;
  return grammar ? std::make_shared<const Grammar>(*std::move(grammar)) : nullptr;
}

bool closes(const std::string& piece) {
  return piece == "\"" || piece == "}" || piece == "]";
}

// A text drawn token by token, or nothing where it is not whole after kMaxTokens.
std::string draw_text(TokenConstraint& constraint, const ListTokenizer& tokenizer, std::mt19937& random) {
  std::string text;
  std::vector<float> logits(static_cast<size_t>(tokenizer.vocab_size()));
  for (int i = 0; i < kMaxTokens; ++i) {
    std::ranges::fill(logits, 0.0F);
    if (!constraint.mask(logits)) {
      EXPECT_TRUE(constraint.may_end()) << text;  // there are tokens for all bytes
      return text;
    }
    std::vector<TokenId> allowed;
    std::vector<TokenId> closing;
    for (TokenId token = 0; token < tokenizer.vocab_size(); ++token) {
      if (logits[static_cast<size_t>(token)] != 0) continue;
      allowed.push_back(token);
      if (tokenizer.is_end(token) || closes(tokenizer.piece(token))) closing.push_back(token);
    }
    const auto& choices = i > kFreeTokens && !closing.empty() && random() % 8 != 0 ? closing : allowed;
    const TokenId token = choices[random() % choices.size()];
    EXPECT_EQ(tokenizer.is_end(token), token == ListTokenizer::kEnd);
    if (tokenizer.is_end(token)) {
      EXPECT_TRUE(constraint.may_end());
      return text;
    }
    EXPECT_TRUE(constraint.push(token));
    text += tokenizer.piece(token);
  }
  return "";
}

TEST(RandomSchemaTest, WhatIsDrawnSatisfiesTheSchema) {
  RandomSchemas schemas(1);
  int num_finished = 0;
  for (int i = 0; i < kNumSchemas && !HasFailure(); ++i) {
    const auto shape = schemas.draw();
    const std::string schema = shape.schema.dump();
    SCOPED_TRACE(schema);
    const auto grammar = compile(schema);
    if (grammar == nullptr) return;
    const ListTokenizer tokenizer = testing::random_tokenizer(schemas.random(), 200);
    const auto masks = std::make_shared<TokenMasks>(grammar, std::make_shared<const TokenTrie>(tokenizer));
    const SchemaChecker checker(nlohmann::json::parse(schema));
    for (int walk = 0; walk < kWalksOfEach; ++walk) {
      TokenConstraint constraint(masks);
      const std::string text = draw_text(constraint, tokenizer, schemas.random());
      if (text.empty()) continue;
      ++num_finished;
      EXPECT_TRUE(is_valid_utf8(text)) << text;
      const auto value = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
      ASSERT_FALSE(value.is_discarded()) << text;
      EXPECT_TRUE(checker.holds(value)) << text;
    }
  }
  EXPECT_GE(num_finished, kNumSchemas * kWalksOfEach * 9 / 10);
}

TEST(RandomSchemaTest, WhatSatisfiesTheSchemaCanBeDrawn) {
  RandomSchemas schemas(2);
  for (int i = 0; i < kNumSchemas && !HasFailure(); ++i) {
    const auto shape = schemas.draw();
    const std::string schema = shape.schema.dump();
    SCOPED_TRACE(schema);
    const auto grammar = compile(schema);
    if (grammar == nullptr) return;
    const ListTokenizer tokenizer = testing::random_tokenizer(schemas.random(), 200);
    const auto masks = std::make_shared<TokenMasks>(grammar, std::make_shared<const TokenTrie>(tokenizer));
    const SchemaChecker checker(nlohmann::json::parse(schema));
    for (int k = 0; k < kDocumentsOfEach; ++k) {
      const std::string text = shape.write(0);
      SCOPED_TRACE(text);
      ASSERT_TRUE(checker.holds(nlohmann::json::parse(text)));  // or the generator is wrong
      ConstraintState state(grammar);
      for (const char c : text) ASSERT_TRUE(state.advance(static_cast<uint8_t>(c)));
      EXPECT_TRUE(state.may_end());
      TokenConstraint constraint(masks);
      std::vector<float> logits(static_cast<size_t>(tokenizer.vocab_size()));
      for (const TokenId token : tokenizer.encode(text)) {
        std::ranges::fill(logits, 0.0F);
        ASSERT_TRUE(constraint.mask(logits));
        ASSERT_EQ(logits[static_cast<size_t>(token)], 0) << tokenizer.piece(token);
        ASSERT_TRUE(constraint.push(token));
      }
      EXPECT_TRUE(constraint.may_end());
    }
  }
}

}  // namespace
}  // namespace saccade
