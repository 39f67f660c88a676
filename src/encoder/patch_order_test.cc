#include "encoder/patch_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

namespace saccade {
namespace {

using ::testing::ElementsAre;

TEST(PatchOrder, KeepsTheSquaresThatMergeTogether) {
  const PatchOrder order = order_patches(2, 4, 2, 0);
  EXPECT_THAT(order.patches,
              ElementsAre(PatchPosition{0, 0}, PatchPosition{0, 1}, PatchPosition{1, 0}, PatchPosition{1, 1},
                          PatchPosition{0, 2}, PatchPosition{0, 3}, PatchPosition{1, 2}, PatchPosition{1, 3}));
  EXPECT_THAT(order.cells, ElementsAre(0, 1));
  EXPECT_THAT(order.windows, ElementsAre(RowRange{0, 8}));
}

TEST(PatchOrder, GoesThroughWindowsRowByRow) {
  // 3 x 5 cells in windows of 2 x 2:   0  1 |  2  3 |  4
  //                                    5  6 |  7  8 |  9
  //                                   10 11 | 12 13 | 14
  const PatchOrder order = order_patches(6, 10, 2, 2);
  EXPECT_THAT(order.cells, ElementsAre(0, 1, 5, 6, 2, 3, 7, 8, 4, 9, 10, 11, 12, 13, 14));
  EXPECT_THAT(order.windows, ElementsAre(RowRange{0, 16}, RowRange{16, 32}, RowRange{32, 40}, RowRange{40, 48},
                                         RowRange{48, 56}, RowRange{56, 60}));
  EXPECT_EQ(order.patches[16], (PatchPosition{0, 4}));  // the first patch of cell 2
}

TEST(PatchOrder, KeepsWhatIsSeen) {
  std::vector<uint8_t> is_seen(15, 0);
  for (const size_t cell : {1, 6, 9, 14}) is_seen[cell] = 1;
  const PatchOrder order = keep_seen(order_patches(6, 10, 2, 2), is_seen);
  EXPECT_THAT(order.cells, ElementsAre(1, 6, 9, 14));
  EXPECT_THAT(order.windows, ElementsAre(RowRange{0, 8}, RowRange{8, 12}, RowRange{12, 16}));
  EXPECT_EQ(order.patches[0], (PatchPosition{0, 2}));
  EXPECT_EQ(order.patches[15], (PatchPosition{5, 9}));
}

TEST(PatchOrder, HoldsEveryPatchOnce) {
  const PatchOrder order = order_patches(14, 22, 2, 4);
  std::set<std::pair<int64_t, int64_t>> seen;
  for (const PatchPosition& patch : order.patches) {
    EXPECT_TRUE(patch.y >= 0 && patch.y < 14 && patch.x >= 0 && patch.x < 22);
    seen.insert({patch.y, patch.x});
  }
  EXPECT_EQ(seen.size(), 14U * 22U);
  EXPECT_EQ(order.patches.size(), 14U * 22U);
  EXPECT_EQ(order.windows.back().end, 14 * 22);
}

}  // namespace
}  // namespace saccade
