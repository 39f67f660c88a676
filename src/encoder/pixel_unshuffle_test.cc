#include "encoder/pixel_unshuffle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace saccade {
namespace {

using ::testing::ElementsAre;

TEST(PixelUnshuffle, ASquareIsTakenRowByRow) {
  // A tile of 4 x 4 patches, numbered row by row.
  EXPECT_THAT(square_of_token(0, 4, 2), ElementsAre(0, 1, 4, 5));
  EXPECT_THAT(square_of_token(1, 4, 2), ElementsAre(2, 3, 6, 7));
  EXPECT_THAT(square_of_token(3, 4, 2), ElementsAre(10, 11, 14, 15));
}

TEST(PixelUnshuffle, FindsTheSquaresThatAreThere) {
  // Two of four tokens, behind 100 other rows.
  std::vector<int32_t> rows = {7};
  EXPECT_THAT(find_squares(std::vector{2, 3, 6, 7, 8, 9, 12, 13}, 4, 2, 100, rows), ElementsAre(1, 2));
  EXPECT_THAT(rows, ElementsAre(7, 100, 101, 102, 103, 104, 105, 106, 107));
  EXPECT_THAT(find_squares({}, 4, 2, 0, rows), ElementsAre());
}

}  // namespace
}  // namespace saccade
