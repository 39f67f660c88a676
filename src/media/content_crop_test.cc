#include "media/content_crop.h"

#include <gtest/gtest.h>

#include <random>

#include "media/golden_pixels.h"

namespace saccade {
namespace {

/// Paper of one grey with a darker box on it.
Image page(ImageSize size, Window ink, int paper = 250, int ink_grey = 30) {
  Image image = make_image(size);
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      const bool is_ink =
          x >= ink.left && x < ink.left + ink.size.width && y >= ink.top && y < ink.top + ink.size.height;
      for (int c = 0; c < 3; ++c) image.pixel(x, y)[c] = static_cast<uint8_t>(is_ink ? ink_grey : paper);
    }
  }
  return image;
}

const ContentCropOptions kExact = {.margin_share = 0, .min_margin_px = 0, .min_side_px = 1, .min_cut_share = 0.01};

TEST(ContentCrop, FindsTheBoxAroundTheInk) {
  const Window ink = {70, 33, {41, 90}};
  const ContentCrop crop = find_content(at_full_size(page({300, 200}, ink)), kExact);
  EXPECT_TRUE(crop.is_cut);
  EXPECT_EQ(crop.decoded, ink);
  EXPECT_EQ(crop.original, ink);
}

TEST(ContentCrop, FindsSinglePixelsAnywhere) {
  std::mt19937 random(2);
  for (int trial = 0; trial < 100; ++trial) {
    const int x = 1 + static_cast<int>(random() % 68);
    const int y = 1 + static_cast<int>(random() % 48);
    Image image = page({70, 50}, {x, y, {1, 1}});
    EXPECT_EQ(find_content(at_full_size(image), kExact).decoded, (Window{x, y, {1, 1}}));
    image.pixel(40, 30)[1] = 99;  // a second one, in one channel
    const Window both = {std::min(x, 40), std::min(y, 30), {std::abs(x - 40) + 1, std::abs(y - 30) + 1}};
    EXPECT_EQ(find_content(at_full_size(image), kExact).decoded, both);
  }
}

TEST(ContentCrop, LeavesAMarginOfTwoPercent) {
  const ContentCrop crop = find_content(at_full_size(page({900, 700}, {200, 100, {500, 300}})));
  EXPECT_EQ(crop.decoded, (Window{190, 90, {520, 320}}));
  const ContentCrop small = find_content(at_full_size(page({900, 700}, {200, 100, {100, 80}})));
  EXPECT_EQ(small.decoded, (Window{196, 96, {108, 88}}));
}

TEST(ContentCrop, IsNeverSmallerThanTheLeastSide) {
  const ContentCrop crop = find_content(at_full_size(page({400, 300}, {2, 280, {3, 3}})));
  EXPECT_EQ(crop.decoded, (Window{0, 244, {56, 56}}));
  const ContentCrop flat = find_content(at_full_size(page({400, 20}, {200, 10, {3, 3}})));
  EXPECT_EQ(flat.decoded, (Window{174, 0, {56, 20}}));
}

TEST(ContentCrop, CutsNothingWhereLittleWouldGo) {
  EXPECT_TRUE(
      find_content(at_full_size(page({100, 100}, {3, 0, {97, 97}})), {.margin_share = 0, .min_margin_px = 0}).is_cut);
  const ContentCrop crop =
      find_content(at_full_size(page({100, 100}, {2, 0, {98, 98}})), {.margin_share = 0, .min_margin_px = 0});
  EXPECT_FALSE(crop.is_cut);
  EXPECT_EQ(crop.decoded, (Window{0, 0, {100, 100}}));
}

TEST(ContentCrop, CutsNothingWithoutAMargin) {
  EXPECT_FALSE(find_content(at_full_size(synthetic_picture(300, 200))).is_cut);
  EXPECT_FALSE(find_content(at_full_size(page({300, 200}, {0, 0, {300, 200}}))).is_cut);  // one colour all over
  for (const ImageSize size : {ImageSize{0, 0}, {1, 1}, {1, 9}, {2, 2}}) {
    const ContentCrop crop = find_content(at_full_size(make_image(size)));
    EXPECT_FALSE(crop.is_cut);
    EXPECT_EQ(crop.decoded, (Window{0, 0, size}));
  }
}

TEST(ContentCrop, ToleratesNoiseOnThePaper) {
  Image image = page({300, 200}, {100, 80, {60, 40}});
  std::mt19937 random(4);
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(value - random() % 6);
  EXPECT_EQ(find_content(at_full_size(image), kExact).decoded, (Window{100, 80, {60, 40}}));
}

TEST(ContentCrop, CutKeepsThePixels) {
  Image image = synthetic_picture(80, 60);
  const ContentCrop crop = {{10, 20, {30, 25}}, {10, 20, {30, 25}}, true};
  const DecodedImage part = cut(at_full_size(image), crop);
  ASSERT_EQ(part.image.size(), (ImageSize{30, 25}));
  EXPECT_EQ(part.original, (ImageSize{30, 25}));
  EXPECT_EQ(part.left, 0);
  for (int y = 0; y < 25; ++y) {
    for (int x = 0; x < 30; ++x) EXPECT_EQ(part.image.pixel(x, y)[1], image.pixel(x + 10, y + 20)[1]);
  }
}

/// A picture decoded at a quarter, its left side within a pixel as one that was mirrored has it.
TEST(ContentCrop, CountsInPixelsOfTheOriginalToo) {
  const DecodedImage decoded{page({100, 80}, {40, 30, {20, 10}}), {398, 318}, 4, 0.5, 0};
  const ContentCrop crop = find_content(decoded, kExact);
  EXPECT_EQ(crop.decoded, (Window{40, 30, {20, 10}}));
  EXPECT_EQ(crop.original, (Window{158, 120, {80, 40}}));
  const DecodedImage part = cut(decoded, crop);
  EXPECT_EQ(part.original, (ImageSize{80, 40}));
  EXPECT_EQ(part.reduction, 4);
  EXPECT_EQ(part.left, 0);
  // Where the content begins with the picture, so does the part.
  const DecodedImage at_edge{page({100, 80}, {0, 30, {20, 10}}), {398, 318}, 4, 0.5, 0};
  const ContentCrop edge = find_content(at_edge, kExact);
  EXPECT_EQ(edge.original, (Window{0, 120, {78, 40}}));
  EXPECT_EQ(cut(at_edge, edge).left, 0.5);
}

}  // namespace
}  // namespace saccade
