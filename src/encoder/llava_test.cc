#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "encoder/testing/tiny_vision_file.h"
#include "encoder/vision_encoder.h"

namespace saccade {
namespace {

using ::saccade::testing::kTinyModelDim;
using ::saccade::testing::TinyVisionFile;
using ::testing::HasSubstr;

std::unique_ptr<VisionEncoder> load(const TinyVisionFile& file) {
  auto encoder = VisionEncoder::load(file.open(), kTinyModelDim);
  EXPECT_TRUE(encoder.is_ok()) << encoder.status().message();
  return encoder.is_ok() ? *std::move(encoder) : nullptr;
}

PixelBatch gradient(int num_tiles, int side) {
  PixelBatch pixels;
  pixels.pixels = Tensor(Shape{num_tiles, 3, side, side});
  const std::span<float> values = pixels.pixels.floats();
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(0.37F * static_cast<float>(i));
  pixels.original = {side, side};
  return pixels;
}

EncodeTrace encode(const VisionEncoder& encoder, const PixelBatch& pixels) {
  ThreadPool pool(1);
  EncodeTrace trace;
  trace.keep_tensors = true;
  const auto pieces = encoder.encode(pixels, {}, pool, trace, nullptr);
  EXPECT_TRUE(pieces.is_ok()) << pieces.status().message();
  return trace;
}

std::vector<float> features(const TinyVisionFile& file) {
  const EncodeTrace trace = encode(*load(file), gradient(1, 6));
  return {trace.encoder_output.floats().begin(), trace.encoder_output.floats().end()};
}

TEST(Llava, RunsAsManyBlocksAsTheFeatureLayerSays) {
  const TinyVisionFile two = TinyVisionFile::llava(2);
  TinyVisionFile three = TinyVisionFile::llava(3);
  for (const auto& [name, tensor] : two.tensors) three.tensors[name] = tensor;
  EXPECT_NE(features(three), features(two));
  three.keys.set_i32s("clip.vision.feature_layer", std::array{2});
  EXPECT_EQ(features(three), features(two));
  three.keys.set_i32s("clip.vision.feature_layer", std::array{4});
  const auto encoder = VisionEncoder::load(three.open(), kTinyModelDim);
  EXPECT_THAT(encoder.status().message(), HasSubstr("clip.vision.feature_layer is 4"));
}

TEST(Llava, LeavesOutTheLastBlockOfAWholeTower) {
  // A file that does not name the layer: 12 blocks are a whole ViT-B, whose last block hidden_states[-2] has not seen;
  // 11 are one whose last block the converter removed.
  TinyVisionFile whole = TinyVisionFile::llava(12);
  whole.remove_key("clip.vision.feature_layer");
  TinyVisionFile cut = whole;
  cut.keys.set_u32("clip.vision.block_count", 11);
  std::erase_if(cut.tensors, [](const auto& item) { return item.first.starts_with("v.blk.11."); });
  EXPECT_EQ(features(whole), features(cut));
  TinyVisionFile counted = whole;  // counts what runs, holds all
  counted.keys.set_u32("clip.vision.block_count", 11);
  EXPECT_EQ(features(counted), features(cut));
  whole.keys.set_i32s("clip.vision.feature_layer", std::array{12});
  EXPECT_NE(features(whole), features(cut));
}

TEST(Llava, DoesNotNormTheFeatures) {
  const TinyVisionFile plain = TinyVisionFile::llava();
  TinyVisionFile with_norm = plain;
  with_norm.add("v.post_ln.weight", Shape{testing::kTinyDim});
  with_norm.add("v.post_ln.bias", Shape{testing::kTinyDim});
  EXPECT_EQ(features(with_norm), features(plain));
}

TEST(Llava, DecidesSquareLayersByTheAgeOfTheFile) {
  TinyVisionFile proper = TinyVisionFile::llava();
  proper.keys.set_u32("clip.vision.feed_forward_length", testing::kTinyDim);
  for (const char* layer : {"v.blk.0.", "v.blk.1."}) {
    proper.add_linear(std::string(layer) + "ffn_up", testing::kTinyDim, testing::kTinyDim);
    proper.add_linear(std::string(layer) + "ffn_down", testing::kTinyDim, testing::kTinyDim);
  }
  TinyVisionFile swapped = proper;
  for (const char* layer : {"v.blk.0.", "v.blk.1."}) {
    for (const char* kind : {".weight", ".bias"}) {
      std::swap(swapped.tensors[std::string(layer) + "ffn_up" + kind],
                swapped.tensors[std::string(layer) + "ffn_down" + kind]);
    }
  }
  EXPECT_NE(features(swapped), features(proper));
  swapped.keys.set_bool("clip.has_llava_projector", true);  // only the converter that swapped the names wrote this
  EXPECT_EQ(features(swapped), features(proper));
}

TEST(Llava, TilesDoNotSeeEachOther) {
  // Six tiles go through the tower in two groups; each must come out as it does alone.
  const auto encoder = load(TinyVisionFile::llava_anyres());
  const auto encoder_of_one = load(TinyVisionFile::llava());  // the same tower
  PixelBatch all = gradient(6, 6);
  all.grid_rows = 1;
  all.grid_cols = 5;
  all.has_global_view = true;
  all.original = {30, 6};
  const EncodeTrace together = encode(*encoder, all);
  const size_t tile_elements = 3 * 6 * 6;
  for (size_t tile = 0; tile < 6; ++tile) {
    PixelBatch one = gradient(1, 6);
    std::ranges::copy(all.pixels.floats().subspan(tile * tile_elements, tile_elements), one.pixels.floats().begin());
    const EncodeTrace alone = encode(*encoder_of_one, one);
    const auto expected = alone.encoder_output.floats();
    const auto actual = together.encoder_output.floats().subspan(tile * expected.size(), expected.size());
    EXPECT_THAT(actual, ::testing::Pointwise(::testing::FloatNear(1e-4F), expected)) << "tile " << tile;
  }
}

TEST(Llava, RefusesTilesThatAreNotThePicturesGrid) {
  ThreadPool pool(1);
  EncodeTrace trace;
  PixelBatch tiled = gradient(1, 6);
  tiled.has_global_view = true;
  const auto one_of_many = load(TinyVisionFile::llava_anyres())->encode(tiled, {}, pool, trace, nullptr);
  ASSERT_FALSE(one_of_many.is_ok());
  EXPECT_THAT(one_of_many.status().message(), HasSubstr("1 tiles, where its grid needs 2"));
  EXPECT_FALSE(load(TinyVisionFile::llava())->encode(tiled, {}, pool, trace, nullptr).is_ok());
  const auto two_for_one = load(TinyVisionFile::llava())->encode(gradient(2, 6), {}, pool, trace, nullptr);
  EXPECT_FALSE(two_for_one.is_ok());
}

TEST(Llava, PutsTheWholePictureBeforeTheCroppedGrid) {
  // 40 x 10 pixels: the best of the resolutions is 18 x 6, three tiles side by side of 3 x 3 patches. The picture fills
  // 9 columns and 9 / 4 = 2 whole rows of it, and the odd row of padding stays.
  const auto encoder = load(TinyVisionFile::llava_anyres());
  const auto layout = encoder->layout({40, 10});
  ASSERT_EQ(layout->size(), 2U);
  EXPECT_EQ(std::get<TokenGrid>((*layout)[0]).extent, (Place{1, 3, 3}));
  EXPECT_EQ(std::get<TokenGrid>((*layout)[1]).extent, (Place{1, 3, 10}));
}

TEST(Llava, LooksAtTheWholePictureAlone) {
  // Without tiles, 1.6 is 1.5.
  ThreadPool pool(1);
  EncodeTrace trace;
  const auto pieces = load(TinyVisionFile::llava_anyres())->encode(gradient(1, 6), {}, pool, trace, nullptr);
  const auto of_one = load(TinyVisionFile::llava())->encode(gradient(1, 6), {}, pool, trace, nullptr);
  ASSERT_TRUE(pieces.is_ok() && of_one.is_ok());
  ASSERT_EQ(pieces->size(), 1U);
  EXPECT_THAT(std::get<MediaTokens>(pieces->front()).vectors.floats(),
              ::testing::ElementsAreArray(std::get<MediaTokens>(of_one->front()).vectors.floats()));
}

TEST(Llava, HandsOnTilesOneByOneWhereTheFileSaysFlat) {
  TinyVisionFile file = TinyVisionFile::llava_anyres();
  file.keys.set_string("clip.vision.mm_patch_merge_type", "flat");
  file.tensors.erase("model.image_newline");
  const auto layout = load(file)->layout({12, 12});
  ASSERT_EQ(layout->size(), 5U);
  for (const LayoutPiece& piece : *layout) EXPECT_EQ(std::get<TokenGrid>(piece).extent, (Place{1, 3, 3}));
}

TEST(Llava, ReadsPinpointsInTheOrderOfTheirWriter) {
  TinyVisionFile file = TinyVisionFile::llava_anyres();
  file.keys.set_i32s("clip.vision.image_grid_pinpoints", std::array{6, 12});
  const auto sizes = [](const VisionEncoder& encoder) {
    return std::get<AnyResolutionSpec>(encoder.pixel_spec()).pinpoints;
  };
  EXPECT_THAT(sizes(*load(file)), ::testing::ElementsAre(ImageSize{12, 6}));
  file.remove_key("saccade.vision.resize_mode");
  EXPECT_THAT(sizes(*load(file)), ::testing::ElementsAre(ImageSize{6, 12}));
}

TEST(Llava, ChoosesBetweenPaddingAndCropping) {
  TinyVisionFile file = TinyVisionFile::llava();
  EXPECT_TRUE(std::get<SquareSpec>(load(file)->pixel_spec()).is_padded);
  file.keys.set_string("saccade.vision.resize_mode", "crop");
  EXPECT_FALSE(std::get<SquareSpec>(load(file)->pixel_spec()).is_padded);
  file.keys.set_string("saccade.vision.resize_mode", "stretch");
  const auto encoder = VisionEncoder::load(file.open(), kTinyModelDim);
  EXPECT_THAT(encoder.status().message(), HasSubstr("\"stretch\""));
}

}  // namespace
}  // namespace saccade
