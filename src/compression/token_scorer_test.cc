#include "compression/token_scorer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "compression/golden_file.h"
#include "kernels/kernel_test_data.h"
#include "weights/testing/tiny_model_file.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kDim = 24;

ThreadPool pool(2);

/// A file that has a vision part, but no more of it than this test needs.
testing::TinyModelFile bare_model() {
  testing::TinyModelFile model;
  model.keys.set_string("general.architecture", "llama");
  model.keys.set_u32("clip.vision.embedding_length", 8);
  model.add("v.patch_embd.weight", Shape{2, 2});
  return model;
}

testing::TinyModelFile golden_model(const test::GoldenFile& golden) {
  testing::TinyModelFile model = bare_model();
  for (const std::string& name : golden.names()) {
    if (name.starts_with("saccade.")) model.tensors[name] = {golden.shape(name), golden.values<float>(name)};
  }
  return model;
}

TEST(TokenScorer, GivesWhatTheFormulasGiveOnEveryIsa) {
  const test::GoldenFile golden("token_scorer.safetensors");
  const auto scorer = TokenScorer::load(golden_model(golden).open(), kDim);
  ASSERT_TRUE(scorer) << scorer.status().message();
  ASSERT_NE(*scorer, nullptr);
  const Tensor vectors = golden.matrix("vectors");
  for (const Isa isa : test::runnable_isas()) {
    test::ScopedIsa scope(isa);
    for (const char* count : {"1", "2", "11"}) {
      const Tensor words = golden.matrix(std::string("words_") + count);
      const std::vector<float> scores = (*scorer)->score(pool, vectors.view(), words.view());
      const std::vector<float> expected = golden.values<float>(std::string("scores_") + count);
      ASSERT_EQ(scores.size(), expected.size());
      for (size_t i = 0; i < scores.size(); ++i) EXPECT_NEAR(scores[i], expected[i], 2e-5) << test::name_of(isa) << i;
    }
  }
}

TEST(TokenScorer, AFileWithoutOneHasNone) {
  const auto scorer = TokenScorer::load(bare_model().open(), kDim);
  ASSERT_TRUE(scorer) << scorer.status().message();
  EXPECT_EQ(*scorer, nullptr);
}

TEST(TokenScorer, PartsThatDoNotFitAreNamed) {
  const test::GoldenFile golden("token_scorer.safetensors");
  const auto error_of = [&](const auto& change, int64_t model_dim) {
    testing::TinyModelFile model = golden_model(golden);
    change(model);
    const auto scorer = TokenScorer::load(model.open(), model_dim);
    return scorer ? std::string("no error") : scorer.status().message();
  };
  const auto nothing = [](testing::TinyModelFile&) {};
  EXPECT_THAT(error_of(nothing, 32), HasSubstr("saccade.token_scorer.words.weight"));
  EXPECT_THAT(error_of([](auto& model) { model.tensors.erase("saccade.token_scorer.words.weight"); }, kDim),
              HasSubstr("saccade.token_scorer.words.weight"));
  EXPECT_THAT(error_of([](auto& model) { model.tensors["saccade.token_scorer.key.bias"].values[1] = NAN; }, kDim),
              HasSubstr("saccade.token_scorer.key holds a value that is not finite"));
  EXPECT_THAT(error_of([](auto& model) { model.tensors.erase("saccade.token_scorer.prior.bias"); }, kDim),
              HasSubstr("saccade.token_scorer.prior.bias"));
  EXPECT_THAT(error_of(
                  [](auto& model) {
                    model.add("saccade.token_scorer.query.weight", {15, 12});
                  },
                  kDim),
              HasSubstr("saccade.token_scorer.query.weight"));
  EXPECT_THAT(error_of(
                  [](auto& model) {
                    model.add("saccade.token_scorer.words.weight", {12, 24});
                  },
                  kDim),
              HasSubstr("saccade.token_scorer.words.weight"));
  EXPECT_THAT(error_of(
                  [](auto& model) {
                    model.add("saccade.token_scorer.more.weight", {2, 2});
                  },
                  kDim),
              HasSubstr("saccade.token_scorer.more.weight"));
}

}  // namespace
}  // namespace saccade
