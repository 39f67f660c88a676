#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <variant>
#include <vector>

#include "encoder/testing/tiny_vision_file.h"
#include "encoder/vision_encoder.h"

namespace saccade {
namespace {

using ::saccade::testing::kTinyModelDim;
using ::saccade::testing::TinyVisionFile;
using ::testing::HasSubstr;

std::vector<float> encode(const TinyVisionFile& file, int height, int width) {
  const auto encoder = VisionEncoder::load(file.open(), kTinyModelDim);
  EXPECT_TRUE(encoder.is_ok()) << encoder.status().message();
  PixelBatch pixels;
  pixels.pixels = Tensor(Shape{1, 3, height, width});
  const std::span<float> values = pixels.pixels.floats();
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(0.37F * static_cast<float>(i));
  ThreadPool pool(1);
  EncodeTrace trace;
  const auto pieces = (*encoder)->encode(pixels, {}, pool, trace, nullptr);
  EXPECT_TRUE(pieces.is_ok()) << pieces.status().message();
  const auto vectors = std::get<MediaTokens>(pieces->front()).vectors.floats();
  return {vectors.begin(), vectors.end()};
}

TEST(Qwen2Vl, WindowsAsLargeAsThePictureAreFullAttention) {
  // 3 x 5 tokens. Whether one window holds all of them or every block sees all, the order of rows differs, the result
  // must not; small windows must make a difference.
  TinyVisionFile small = TinyVisionFile::qwen2_5_vl();
  TinyVisionFile large = small;
  large.keys.set_u32("clip.vision.window_size", 20);
  TinyVisionFile full = small;
  full.keys.set_i32s("saccade.vision.full_attention_layers", std::array{0, 1});
  const auto of_large = encode(large, 12, 20);
  EXPECT_THAT(encode(full, 12, 20), ::testing::Pointwise(::testing::FloatNear(1e-4F), of_large));
  EXPECT_THAT(encode(small, 12, 20), ::testing::Not(::testing::Pointwise(::testing::FloatNear(1e-3F), of_large)));
}

TEST(Qwen2Vl, TheListOfFullLayersGoesBeforeThePattern) {
  TinyVisionFile by_pattern = TinyVisionFile::qwen2_5_vl();  // every second block: the one with index 1
  TinyVisionFile by_list = by_pattern;
  by_list.keys.set_u32("clip.vision.n_wa_pattern", 1);
  by_list.keys.set_i32s("saccade.vision.full_attention_layers", std::array{1, 7});
  EXPECT_EQ(encode(by_pattern, 12, 20), encode(by_list, 12, 20));
  by_pattern.remove_key("clip.vision.n_wa_pattern");
  const auto encoder = VisionEncoder::load(by_pattern.open(), kTinyModelDim);
  EXPECT_THAT(encoder.status().message(), HasSubstr("clip.vision.n_wa_pattern"));
}

TEST(Qwen2Vl, BothSlicesOfThePatchKernelSeeThePicture) {
  TinyVisionFile file = TinyVisionFile::qwen2_vl();
  const auto of_both = encode(file, 8, 8);
  std::swap(file.tensors["v.patch_embd.weight"], file.tensors["v.patch_embd.weight.1"]);
  EXPECT_THAT(encode(file, 8, 8), ::testing::Pointwise(::testing::FloatNear(1e-4F), of_both));
  for (float& value : file.tensors["v.patch_embd.weight.1"].values) value = 0;
  EXPECT_NE(encode(file, 8, 8), of_both);
}

TEST(Qwen2Vl, IgnoresTheDummyPositionsOfOldFiles) {
  TinyVisionFile file = TinyVisionFile::qwen2_vl();
  const auto expected = encode(file, 8, 8);
  file.add("v.position_embd.weight", Shape{10, 10});
  file.remove_key("clip.projector_type");
  file.keys.set_bool("clip.has_qwen2vl_merger", true);
  EXPECT_EQ(encode(file, 8, 8), expected);
}

}  // namespace
}  // namespace saccade
