#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "base/format.h"
#include "encoder/testing/tiny_vision_file.h"
#include "encoder/vision_encoder.h"

namespace saccade {
namespace {

using ::saccade::testing::kTinyModelDim;
using ::saccade::testing::TinyVisionFile;
using ::testing::HasSubstr;

// The prompt text of a layout, each grid as its extent in brackets.
std::string prompt(const TinyVisionFile& file, ImageSize size) {
  const auto encoder = VisionEncoder::load(file.open(), kTinyModelDim);
  EXPECT_TRUE(encoder.is_ok()) << encoder.status().message();
  const auto layout = (*encoder)->layout(size);
  EXPECT_TRUE(layout.is_ok()) << layout.status().message();
  std::string text;
  for (const LayoutPiece& piece : *layout) {
    if (const auto* control = std::get_if<std::string>(&piece)) {
      text += *control;
    } else {
      const Place& extent = std::get<TokenGrid>(piece).extent;
      text += format("[%dx%d]", extent.y, extent.x);
    }
  }
  return text;
}

TEST(SmolVlm, WritesThePromptOfTheProcessor) {
  // 32 x 16 pixels: four tiles of 8 in each of two rows, and the global view.
  const std::string fake = "<fake_token_around_image>";
  EXPECT_EQ(prompt(TinyVisionFile::smolvlm(), {32, 16}),
            fake + "<row_1_col_1>[2x2]" + fake + "<row_1_col_2>[2x2]" + fake + "<row_1_col_3>[2x2]" + fake +
                "<row_1_col_4>[2x2]\n" + fake + "<row_2_col_1>[2x2]" + fake + "<row_2_col_2>[2x2]" + fake +
                "<row_2_col_3>[2x2]" + fake + "<row_2_col_4>[2x2]\n\n" + fake + "<global-img>[2x2]" + fake);
}

TEST(SmolVlm, WritesASingleTileAsAGlobalView) {
  TinyVisionFile file = TinyVisionFile::smolvlm();
  file.keys.set_bool("saccade.vision.is_split", false);
  EXPECT_EQ(prompt(file, {32, 16}), "<fake_token_around_image><global-img>[2x2]<fake_token_around_image>");
}

TEST(SmolVlm, AsksForATokenOfEveryTile) {
  // 32 pixels along the longest edge, tiles of 8: four rows and columns.
  const auto encoder = VisionEncoder::load(TinyVisionFile::smolvlm().open(), kTinyModelDim);
  ASSERT_TRUE(encoder.is_ok());
  const ControlTokens tokens = (*encoder)->control_tokens();
  EXPECT_THAT(tokens.required, ::testing::ElementsAre("<fake_token_around_image>"));
  EXPECT_THAT(tokens.all_or_none, ::testing::SizeIs(17));
  EXPECT_THAT(tokens.all_or_none, ::testing::IsSupersetOf({"<global-img>", "<row_1_col_1>", "<row_4_col_4>"}));
  TinyVisionFile file = TinyVisionFile::smolvlm();
  file.keys.set_bool("saccade.vision.is_split", false);
  const auto whole = VisionEncoder::load(file.open(), kTinyModelDim);
  EXPECT_THAT((*whole)->control_tokens().all_or_none, ::testing::ElementsAre("<global-img>"));
}

TEST(SmolVlm, RefusesAScaleFactorThatDoesNotFit) {
  TinyVisionFile file = TinyVisionFile::smolvlm();
  file.keys.set_u32("clip.vision.projector.scale_factor", 3);
  const auto encoder = VisionEncoder::load(file.open(), kTinyModelDim);
  EXPECT_THAT(encoder.status().message(), HasSubstr("clip.vision.projector.scale_factor is 3"));
}

TEST(SmolVlm, KeepsASmallPictureSmallWhereAsked) {
  const TinyVisionFile file = TinyVisionFile::smolvlm();
  const auto encoder = VisionEncoder::load(file.open(), kTinyModelDim);
  ASSERT_TRUE(encoder) << encoder.status().message();
  const ImageSize size = {20, 20};
  const auto enlarged = (*encoder)->layout(size);
  (*encoder)->keep_small_pictures();
  const auto small = (*encoder)->layout(size);
  ASSERT_TRUE(enlarged && small);
  EXPECT_LT(small->size(), enlarged->size());
}

}  // namespace
}  // namespace saccade
