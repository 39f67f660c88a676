#include "decoder/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "decoder/testing/tiny_decoder_file.h"

namespace saccade {
namespace {

using ::saccade::testing::kTinyFfnDim;
using ::saccade::testing::kTinyModelDim;
using ::saccade::testing::kTinyNumLayers;
using ::saccade::testing::kTinyVocabSize;
using ::saccade::testing::TinyDecoderFile;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(DecoderLoad, RefusesEveryTensorThatItDoesNotApply) {
  for (const char* name : {"blk.0.attn_output.bias", "blk.1.attn_q_norm.weight", "blk.1.surprise",
                           "blk.2.attn_norm.weight", "blk.10.ffn_up.weight", "output.bias", "output_norm.bias",
                           "token_embd_norm.weight", "rope_factors_long.weight"}) {
    TinyDecoderFile file;
    file.add(name, Shape{kTinyModelDim});
    const ModelFiles files = file.open();
    const auto decoder = Decoder::load(files);
    ASSERT_FALSE(decoder) << name;
    EXPECT_EQ(decoder.status().code(), StatusCode::kUnsupported);
    EXPECT_THAT(decoder.status().message(), AllOf(HasSubstr(files.language_file().path()), HasSubstr(name)));
  }
}

TEST(DecoderLoad, TakesTheOptionalTensorsAndLeavesTheVisionPartAlone) {
  TinyDecoderFile file;
  file.add("output.weight", Shape{kTinyVocabSize, kTinyModelDim});
  file.add("rope_freqs.weight", Shape{2});
  file.tensors["rope_freqs.weight"].values = {1, 8};
  file.add("blk.0.attn_q.bias", Shape{16});
  for (const char* name :
       {"v.blk.0.attn_q.weight", "mm.0.weight", "model.image_newline", "ada.scheduler.mlp_head.bias"}) {
    file.add(name, Shape{3});
  }
  const ModelFiles files = file.open();
  const auto decoder = Decoder::load(files);
  ASSERT_TRUE(decoder) << decoder.status().message();
  EXPECT_EQ((*decoder)->config().rope.frequency_factors, (std::vector<float>{1, 8}));
  const int64_t layer = 2 * 16 * 16 + 2 * 8 * 16 + 3 * kTinyFfnDim * kTinyModelDim + 2 * kTinyModelDim;
  const int64_t whole = kTinyNumLayers * layer + 16 + 2 * kTinyVocabSize * kTinyModelDim + kTinyModelDim;
  EXPECT_EQ((*decoder)->num_parameters(), static_cast<uint64_t>(whole));
}

TEST(DecoderLoad, NamesTheTensorThatIsMissingOrOfAnotherShape) {
  TinyDecoderFile missing;
  missing.tensors.erase("blk.1.ffn_down.weight");
  EXPECT_THAT(Decoder::load(missing.open()).status().message(), HasSubstr("\"blk.1.ffn_down.weight\" is missing"));
  TinyDecoderFile bent;
  bent.add("blk.0.attn_k.weight", Shape{16, kTinyModelDim});
  EXPECT_THAT(Decoder::load(bent.open()).status().message(),
              AllOf(HasSubstr("blk.0.attn_k.weight"), HasSubstr("[16, 16], [8, 16] is needed")));
}

class DecoderForward : public ::testing::Test {
 protected:
  DecoderForward() : files_(TinyDecoderFile().open()), decoder_(*Decoder::load(files_)) {}

  KvSequence sequence(int max_blocks) const {
    const KvShape shape = decoder_->config().kv_shape(DType::kF32);
    const uint64_t block_bytes = KvBlockPool(shape, 0).block_bytes();
    return decoder_->make_sequence(std::make_shared<KvBlockPool>(shape, max_blocks * block_bytes));
  }

  // Tokens first, first + 1, ... (mod the vocabulary) at the positions behind what `kv` holds.
  Expected<Tensor> forward(KvSequence& kv, int64_t first, int64_t count, int64_t num_logit_rows = 1,
                           std::function<bool(double)> progress = {}) {
    Tensor rows({count, kTinyModelDim});
    std::vector<TokenPosition> positions;
    for (int64_t i = 0; i < count; ++i) {
      decoder_->embed(static_cast<int32_t>((first + i) % kTinyVocabSize), rows.row(i));
      const auto position = static_cast<int32_t>(kv.num_rows() + i);
      positions.push_back({position, position, position});
    }
    ForwardArgs args;
    args.rows = &rows;
    args.positions = positions;
    const SequenceRows sequence_rows = {&kv, count};
    args.sequences = {&sequence_rows, 1};
    args.num_logit_rows = num_logit_rows;
    args.progress = std::move(progress);
    return decoder_->forward(pool_, args);
  }

  // That `kv` holds `num_past` tokens in every layer, and gives the answer of a sequence that never saw an error.
  void expect_untouched(KvSequence& kv, int64_t num_past) {
    for (int64_t layer_idx = 0; layer_idx < kTinyNumLayers; ++layer_idx) {
      EXPECT_EQ(kv.num_tokens(layer_idx), num_past) << "layer " << layer_idx;
    }
    KvSequence other = sequence(100);
    ASSERT_TRUE(forward(other, 0, num_past));
    const auto expected = forward(other, 3, 1);
    const auto found = forward(kv, 3, 1);
    ASSERT_TRUE(expected && found);
    for (int64_t token = 0; token < kTinyVocabSize; ++token) EXPECT_EQ(found->row(0)[token], expected->row(0)[token]);
  }

  ModelFiles files_;
  std::unique_ptr<Decoder> decoder_;
  ThreadPool pool_{1};
};

TEST_F(DecoderForward, PiecesGiveTheLogitsOfTheWhole) {
  KvSequence whole = sequence(100);
  KvSequence pieces = sequence(100);
  // Over two chunks of 512, with logit rows in both.
  const auto all = forward(whole, 0, 600, 100);
  ASSERT_TRUE(all);
  ASSERT_TRUE(forward(pieces, 0, 500));
  for (int64_t i = 500; i < 600; ++i) {
    const auto one = forward(pieces, i, 1);
    ASSERT_TRUE(one);
    for (int64_t token = 0; token < kTinyVocabSize; ++token) {
      EXPECT_NEAR(one->row(0)[token], all->row(i - 500)[token], 1e-4) << "row " << i << ", token " << token;
    }
  }
}

TEST_F(DecoderForward, WithoutRoomTheCacheIsAsItWas) {
  // Ten tokens take a block in each layer; a fourth block is lacking when layer 1 needs its second.
  KvSequence kv = sequence(3);
  ASSERT_TRUE(forward(kv, 0, 10));
  const auto result = forward(kv, 5, 60);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.status().code(), StatusCode::kResourceExhausted);
  expect_untouched(kv, 10);
}

TEST_F(DecoderForward, WithoutRoomForTheSecondChunkTheFirstGoesToo) {
  KvSequence kv = sequence(2 * 9);  // 10 + 512 tokens in each layer, not 10 + 600
  ASSERT_TRUE(forward(kv, 0, 10));
  EXPECT_FALSE(forward(kv, 5, 600));
  expect_untouched(kv, 10);
}

TEST_F(DecoderForward, CancellingAtAnyLayerLeavesTheCacheAsItWas) {
  for (int stop_at = 1; stop_at <= 2 * kTinyNumLayers; ++stop_at) {  // two chunks
    KvSequence kv = sequence(100);
    ASSERT_TRUE(forward(kv, 0, 10));
    int num_calls = 0;
    double last = 0;
    const auto result = forward(kv, 5, 600, 1, [&](double fraction) {
      EXPECT_GT(fraction, last);
      EXPECT_LE(fraction, 1);
      last = fraction;
      return ++num_calls < stop_at;
    });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.status().code(), StatusCode::kCancelled);
    EXPECT_EQ(num_calls, stop_at);
    expect_untouched(kv, 10);
  }
}

}  // namespace
}  // namespace saccade
