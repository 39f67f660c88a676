#include "encoder/pixel_unshuffle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace saccade {
namespace {

using ::testing::ElementsAre;

TEST(PixelUnshuffle, JoinsSquaresOfPatchesRowByRow) {
  // A tile of 4 x 4 patches of one element, numbered row by row.
  Tensor patches(Shape{16, 1});
  std::iota(patches.floats().begin(), patches.floats().end(), 0.0F);
  const Tensor merged = pixel_unshuffle(patches, 4, 2);
  EXPECT_EQ(merged.shape(), (Shape{4, 4}));
  EXPECT_THAT(merged.row(0), ElementsAre(0, 1, 4, 5));
  EXPECT_THAT(merged.row(1), ElementsAre(2, 3, 6, 7));
  EXPECT_THAT(merged.row(3), ElementsAre(10, 11, 14, 15));
}

TEST(PixelUnshuffle, KeepsAPatchTogetherAndTilesApart) {
  Tensor patches(Shape{8, 2});  // two tiles of 2 x 2 patches of two elements
  std::iota(patches.floats().begin(), patches.floats().end(), 0.0F);
  const Tensor merged = pixel_unshuffle(patches, 2, 2);
  EXPECT_THAT(merged.row(0), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(merged.row(1), ElementsAre(8, 9, 10, 11, 12, 13, 14, 15));
}

}  // namespace
}  // namespace saccade
