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

TEST(PackRows, GathersAcrossTilesWithANewlineAfterEachRow) {
  // After one row to skip, two tiles of 2 x 2 patches side by side, numbered as they lie in memory:
  //   0 1 | 4 5
  //   2 3 | 6 7
  Tensor projected(Shape{9, 1});
  for (int i = 0; i < 9; ++i) projected.floats()[static_cast<size_t>(i)] = static_cast<float>(i - 1);
  Tensor newline(Shape{1});
  newline.fill(99);
  const Tensor whole = pack_rows(projected, 1, 2, 2, GridCrop{0, 2, 0, 4}, newline);
  EXPECT_THAT(whole.floats(), ElementsAre(0, 1, 4, 5, 99, 2, 3, 6, 7, 99));
  const Tensor middle = pack_rows(projected, 1, 2, 2, GridCrop{1, 1, 1, 2}, newline);
  EXPECT_THAT(middle.floats(), ElementsAre(3, 6, 99));
  // Tiles below each other.
  const Tensor tall = pack_rows(projected, 1, 2, 1, GridCrop{0, 4, 0, 2}, newline);
  EXPECT_THAT(tall.floats(), ElementsAre(0, 1, 99, 2, 3, 99, 4, 5, 99, 6, 7, 99));
}

}  // namespace
}  // namespace saccade
