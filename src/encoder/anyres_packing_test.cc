#include "encoder/anyres_packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace saccade {
namespace {

using ::testing::ElementsAre;

TEST(CropPadding, RemovesRowsOfAWidePicture) {
  // 800 x 200 in 48 x 48: 12 rows are picture, 18 above and 18 below are not.
  EXPECT_EQ(crop_padding(48, 48, {800, 200}), (GridCrop{18, 12, 0, 48}));
}

TEST(CropPadding, RemovesColumnsOfATallPicture) {
  EXPECT_EQ(crop_padding(24, 48, {100, 300}), (GridCrop{0, 24, 20, 8}));
}

TEST(CropPadding, KeepsEverythingWhereTheShapesAgree) {
  EXPECT_EQ(crop_padding(48, 24, {336, 672}), (GridCrop{0, 48, 0, 24}));
}

TEST(CropPadding, KeepsTheOddRow) {
  // 48 / 640 * 470 = 35.25: 35 rows, 13 of padding, 6 go at each side.
  EXPECT_EQ(crop_padding(48, 48, {640, 470}), (GridCrop{6, 36, 0, 48}));
}

TEST(CropPadding, CountsAlmostAWholeRowAsWhole) {
  // 47 * (24 / 47) is 23.999999999999996 in doubles; taken for 23, it would leave 23 rows.
  EXPECT_EQ(crop_padding(49, 24, {47, 47}), (GridCrop{12, 25, 0, 24}));
}

TEST(CropPadding, LeavesNothingOfAPictureThinnerThanAPatch) {
  EXPECT_EQ(crop_padding(48, 48, {9000, 10}).num_rows, 0);
}

TEST(PackPatches, GoesAcrossTilesWithANewlineAfterEachRow) {
  // Two tiles of 2 x 2 patches, side by side or below each other, numbered row by row.
  const auto pack = [](int64_t tile_cols, const GridCrop& crop) { return pack_patches(1, 2, tile_cols, crop); };
  const TilePatch newline = kNewline;
  EXPECT_THAT(pack(2, {0, 2, 0, 4}),
              ElementsAre(TilePatch{1, 0}, TilePatch{1, 1}, TilePatch{2, 0}, TilePatch{2, 1}, newline,  //
                          TilePatch{1, 2}, TilePatch{1, 3}, TilePatch{2, 2}, TilePatch{2, 3}, newline));
  EXPECT_THAT(pack(2, {1, 1, 1, 2}), ElementsAre(TilePatch{1, 3}, TilePatch{2, 2}, newline));
  EXPECT_THAT(pack(1, {0, 4, 0, 2}),
              ElementsAre(TilePatch{1, 0}, TilePatch{1, 1}, newline, TilePatch{1, 2}, TilePatch{1, 3}, newline,  //
                          TilePatch{2, 0}, TilePatch{2, 1}, newline, TilePatch{2, 2}, TilePatch{2, 3}, newline));
}

}  // namespace
}  // namespace saccade
