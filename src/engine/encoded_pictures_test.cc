// Pictures that were encoded once are not looked at again, and answers are what they are without that.
#include "engine/encoded_pictures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "engine/testing/family_test.h"

namespace saccade {
namespace {

using ::saccade::testing::text_part;

class EncodedPicturesTest : public testing::FamilyTest {
 protected:
  std::unique_ptr<Engine> load_keeping(const std::string& path = "") const {
    EngineOptions options = engine_options();
    options.picture_cache_path = path;
    options.picture_cache_disk_bytes = 64 << 20;
    auto engine = Engine::load(options);
    EXPECT_TRUE(engine) << engine.status().message();
    return *std::move(engine);
  }

  /// In a conversation that began in its own way, so that no rows of another one can be taken over.
  static Request ask_behind(const std::string& words, const Plan& plan = {}) {
    Request request = go_on(ask({text_part(words)}), "Yes.", {picture_part(0), text_part("Is the lamp red?")});
    request.plan = plan;
    return request;
  }

  static PictureReceipt picture_of(const Answer& answer) { return answer.receipt.pictures.at(0); }
};

INSTANTIATE_TEST_SUITE_P(Families, EncodedPicturesTest,
                         ::testing::Values("llava", "llava_next", "smolvlm", "qwen2_vl", "qwen2_5_vl"),
                         testing::family_name);

TEST_P(EncodedPicturesTest, AnotherConversationLooksAtThemNoMore) {
  const auto engine = load_keeping();
  EXPECT_FALSE(picture_of(answer(*engine, ask_behind("One."))).was_encoded);
  const Answer again = answer(*engine, ask_behind("Two."));
  EXPECT_TRUE(picture_of(again).was_encoded);
  EXPECT_EQ(picture_of(again).encoded_tokens, 0);
  EXPECT_EQ(again.receipt.stages_ms.encode, 0);
  EXPECT_FALSE(picture_of(again).is_cached);
  expect_as_fresh(again, ask_behind("Two."));
  engine->forget();
  EXPECT_FALSE(picture_of(answer(*engine, ask_behind("Three."))).was_encoded);
}

TEST_P(EncodedPicturesTest, WhatKeepsFewerTokensIsDerivedFromThem) {
  const auto engine = load_keeping();
  answer(*engine, ask_behind("One."));
  Plan plan;
  plan.keep = 5;
  for (const char* strategy : {"uniform", "divprune"}) {
    plan.strategy = strategy;
    const Answer thinned = answer(*engine, ask_behind("Two.", plan));
    EXPECT_TRUE(picture_of(thinned).was_encoded) << strategy;
    expect_as_fresh(thinned, ask_behind("Two.", plan));
  }
  Plan coarse;
  coarse.scale = 0.5;
  const Answer other = answer(*engine, ask_behind("Three.", coarse));
  const bool is_the_same =
      picture_of(other).laid_out_tokens == picture_of(answer(*engine, ask_behind("One."))).laid_out_tokens;
  EXPECT_EQ(picture_of(other).was_encoded, is_the_same) << "another resolution is another encoding";
  expect_as_fresh(other, ask_behind("Three.", coarse));
}

TEST_P(EncodedPicturesTest, OutliveTheEngineOnADisk) {
  const std::string path = ::testing::TempDir() + "pictures";
  const Answer first = answer(*load_keeping(path), ask_behind("One."));
  EXPECT_FALSE(picture_of(first).was_encoded);
  {
    const auto engine = load_keeping(path);
    const Answer again = answer(*engine, ask_behind("One."));
    EXPECT_TRUE(picture_of(again).was_encoded);
    EXPECT_EQ(again.text, first.text);
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {  // a damaged disk
    if (entry.is_regular_file() && entry.file_size() > 100)
      std::filesystem::resize_file(entry.path(), entry.file_size() / 2);
  }
  const Answer anew = answer(*load_keeping(path), ask_behind("One."));
  EXPECT_EQ(anew.text, first.text);
}

TEST_P(EncodedPicturesTest, ManyWhoWantOneAtTheSameTimeEncodeItOnce) {
  const auto engine = load_keeping();
  std::atomic<int> num_encoded{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      const Answer reply = answer(*engine, ask_behind(std::to_string(i)));
      if (!picture_of(reply).was_encoded && !picture_of(reply).is_cached) ++num_encoded;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_encoded, 1);
}

TEST_P(EncodedPicturesTest, ABudgetKnowsThatTheyAreThere) {
  const auto engine = load_keeping();
  answer(*engine, ask_behind("One."));
  Request request = ask_behind("Two.");
  request.budget.max_latency_ms = 1e6;
  request.budget.min_quality = 1;
  const Answer reply = answer(*engine, request);
  EXPECT_EQ(reply.receipt.plan, "full");
  EXPECT_TRUE(picture_of(reply).was_encoded);
  EXPECT_EQ(reply.receipt.budget->predicted_first.stages_ms.encode, 0);
  EXPECT_EQ(reply.receipt.stages_ms.encode, 0);
  expect_as_fresh(reply, ask_behind("Two."));
}

TEST(EncodedPictureCodec, KeepsEveryBit) {
  EncodedPicture encoded = {{640, 480}, Window{1, 2, {600, 400}}, {{0, 1, 1}, {0, 1, 0}}, {}};
  encoded.pieces.emplace_back("<row_1_col_1>");
  MediaTokens grid;
  grid.vectors = Tensor({2, 3});
  for (size_t i = 0; i < 6; ++i) grid.vectors.floats()[i] = 0.1F * static_cast<float>(i);
  grid.places = {{0, 1, 2}, {0, 3, 4}};
  grid.extent = {1, 5, 6};
  grid.cells = {3, 7};
  grid.weights = {1, 2.5F};
  grid.is_fixed = {0, 1};
  encoded.pieces.emplace_back(std::move(grid));
  encoded.pieces.emplace_back(MediaTokens());
  const ObjectCodec<EncodedPicture> codec = encoded_picture_codec();
  std::vector<std::byte> bytes = codec.encode(encoded);
  const auto decoded = codec.decode(bytes);
  ASSERT_TRUE(decoded) << decoded.status().message();
  EXPECT_EQ(decoded->size, encoded.size);
  EXPECT_EQ(decoded->crop, encoded.crop);
  EXPECT_EQ(decoded->fates.shown_by, encoded.fates.shown_by);
  ASSERT_EQ(decoded->pieces.size(), 3U);
  EXPECT_EQ(std::get<std::string>(decoded->pieces[0]), "<row_1_col_1>");
  const auto& left = std::get<MediaTokens>(decoded->pieces[1]);
  const auto& right = std::get<MediaTokens>(encoded.pieces[1]);
  EXPECT_TRUE(std::ranges::equal(left.vectors.floats(), right.vectors.floats()));
  EXPECT_EQ(left.places, right.places);
  EXPECT_EQ(left.extent, right.extent);
  EXPECT_EQ(left.cells, right.cells);
  EXPECT_EQ(left.weights, right.weights);
  EXPECT_EQ(left.is_fixed, right.is_fixed);
  EXPECT_TRUE(left.keys.is_empty());
  EXPECT_GT(codec.num_bytes(encoded), 24);
  for (size_t cut = 0; cut < bytes.size(); cut += 7) {
    EXPECT_FALSE(codec.decode(std::span(bytes).first(cut)));
  }
}

}  // namespace
}  // namespace saccade
