// What is computed ahead must be what would have been computed in its time, to the bit: else an answer could depend on
// what was guessed.
#include "engine/continuation.h"

#include <gtest/gtest.h>

#include "engine/model.h"
#include "engine/testing/temporary_model.h"
#include "platform/clock.h"

namespace saccade {
namespace {

using testing::TemporaryModel;

struct Walk {
  std::vector<std::vector<float>> logits;  // behind each token
  int64_t num_guessed = 0;
  int64_t num_guessed_right = 0;
};

void compute(const Model& model, ThreadPool& pool, Conversation& conversation, int64_t num_left,
             Continuation& continuation) {
  const Stopwatch clock;
  const std::span<const TokenId> tokens = continuation.plan_rows(num_left, model.decoder->num_independent_rows());
  Tensor rows({std::ssize(tokens), model.decoder->config().model_dim});
  std::vector<TokenPosition> positions;
  for (size_t i = 0; i < tokens.size(); ++i) {
    model.decoder->embed(tokens[i], rows.row(static_cast<int64_t>(i)));
    const auto position = static_cast<int32_t>(continuation.first_position() + static_cast<int32_t>(i));
    positions.push_back({position, position, position});
  }
  const std::vector<uint64_t> fingerprints(tokens.begin(), tokens.end());
  auto logits = conversation.extend(*model.decoder, pool, {rows, positions, fingerprints}, std::ssize(tokens));
  ASSERT_TRUE(logits) << logits.status().message();
  continuation.take(std::make_shared<Tensor>(*std::move(logits)), 0, clock.elapsed_ms());
}

/// Goes through `tokens` as if they had been drawn, the first `num_prompt` of them as the prompt.
Walk walk(const Model& model, ThreadPool& pool, DType kv_type, std::span<const TokenId> tokens, size_t num_prompt,
          bool may_guess) {
  const KvShape shape = model.decoder->config().kv_shape(kv_type);
  Conversation conversation(model.decoder->make_sequence(std::make_shared<KvBlockPool>(shape, uint64_t{1} << 30)));
  Tensor rows({static_cast<int64_t>(num_prompt), model.decoder->config().model_dim});
  std::vector<TokenPosition> positions;
  std::vector<uint64_t> fingerprints;
  for (size_t i = 0; i < num_prompt; ++i) {
    model.decoder->embed(tokens[i], rows.row(static_cast<int64_t>(i)));
    const auto position = static_cast<int32_t>(i);
    positions.push_back({position, position, position});
    fingerprints.push_back(static_cast<uint64_t>(tokens[i]));
  }
  auto logits = conversation.extend(*model.decoder, pool, {rows, positions, fingerprints});
  EXPECT_TRUE(logits);
  const auto prompt = tokens.first(num_prompt);
  Continuation continuation(
      conversation, {{prompt.begin(), prompt.end()}, *std::move(logits), static_cast<int32_t>(num_prompt), may_guess});
  Walk result;
  for (size_t i = num_prompt; i < tokens.size(); ++i) {
    if (continuation.push(tokens[i]))
      compute(model, pool, conversation, static_cast<int64_t>(tokens.size() - i), continuation);
    const std::span<float> row = continuation.logits();
    result.logits.emplace_back(row.begin(), row.end());
  }
  result.num_guessed = continuation.num_guessed();
  result.num_guessed_right = continuation.num_guessed_right();
  return result;
}

class ContinuationTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ContinuationTest, LogitsDoNotDependOnWhatWasGuessed) {
  const std::string checkpoint = std::string(SACCADE_SOURCE_DIR) + "/tests/parity/data/" + GetParam() + "/checkpoint";
  // Sentences that come again, not quite the same: guesses that come true, and some that do not.
  std::vector<TokenId> tokens;
  for (TokenId round = 0; round < 6; ++round) {
    for (TokenId i = 0; i < 14; ++i) tokens.push_back(i == 9 ? 40 + round : 10 + i);
  }
  for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
    const auto file = TemporaryModel::convert(checkpoint, type);
    ASSERT_TRUE(file) << file.status().message();
    ThreadPool pool(2);
    const auto model = Model::load(file->path(), "", &pool);
    ASSERT_TRUE(model) << model.status().message();
    for (const DType kv_type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
      const Walk plain = walk(*model, pool, kv_type, tokens, 20, false);
      const Walk guessing = walk(*model, pool, kv_type, tokens, 20, true);
      EXPECT_EQ(plain.num_guessed, 0);
      EXPECT_GT(guessing.num_guessed_right, 0);
      EXPECT_GT(guessing.num_guessed, guessing.num_guessed_right);
      ASSERT_EQ(plain.logits.size(), guessing.logits.size());
      for (size_t i = 0; i < plain.logits.size(); ++i) {
        ASSERT_EQ(plain.logits[i], guessing.logits[i])
            << "token " << i << ", weights " << traits_of(type).name << ", keys and values " << traits_of(kv_type).name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, ContinuationTest, ::testing::Values("llava", "qwen2_vl"),
                         [](const auto& family) { return std::string(family.param); });

}  // namespace
}  // namespace saccade
