#include "media/patch_pruning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <random>

#include "media/golden_pixels.h"

namespace saccade {
namespace {

using testing::Each;
using testing::ElementsAre;

const Normalization kHalf = {{0.5f, 0.5f, 0.5f}, {0.25f, 0.5f, 0.75f}};

/// Cells of 4 x 4 pixels, each of one grey.
Image picture_of(const std::vector<std::vector<int>>& greys) {
  const auto rows = static_cast<int>(greys.size());
  const auto cols = static_cast<int>(greys.front().size());
  Image image = make_image({cols * 4, rows * 4});
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const int grey = greys[static_cast<size_t>(y / 4)][static_cast<size_t>(x / 4)];
      for (int c = 0; c < 3; ++c) image.pixel(x, y)[c] = static_cast<uint8_t>(grey);
    }
  }
  return image;
}

PatchPruning prune(const Image& image, int levels = 0, ImageSize cell = {4, 4}) {
  ThreadPool pool(2);
  return prune_equal_patches(image, cell, std::array{LevelTolerance{levels}}, pool).front();
}

TEST(PrunePatches, KeepsOneCellOfAFlatPicture) {
  const PatchPruning pruning = prune(picture_of({{7, 7, 7}, {7, 7, 7}}));
  EXPECT_THAT(pruning.is_seen, ElementsAre(1, 0, 0, 0, 0, 0));
  EXPECT_THAT(pruning.weights, ElementsAre(6, 0, 0, 0, 0, 0));
  EXPECT_THAT(pruning.stands_for, Each(0));
  EXPECT_EQ(pruning.num_seen, 1);
}

TEST(PrunePatches, PredictsFromTheLeftOrFromAbove) {
  // In the second row the 1 is left of a vertical edge: A equals C, B does not, so that B predicts the 2.
  EXPECT_THAT(prune(picture_of({{1, 2}, {1, 2}})).stands_for, ElementsAre(0, 1, 0, 1));
  // A horizontal edge: B equals C as well, or A does not, so that A predicts.
  EXPECT_THAT(prune(picture_of({{1, 1}, {2, 2}})).stands_for, ElementsAre(0, 0, 2, 2));
  EXPECT_THAT(prune(picture_of({{1, 2}, {3, 2}})).stands_for, ElementsAre(0, 1, 2, 3));  // B would have been right
  EXPECT_THAT(prune(picture_of({{1, 2}, {3, 3}})).stands_for, ElementsAre(0, 1, 2, 2));
}

TEST(PrunePatches, CountsAnEqualCellForTheOneThatIsKept) {
  const PatchPruning pruning = prune(picture_of({{5, 5, 9}, {5, 5, 9}, {5, 8, 9}}));
  EXPECT_THAT(pruning.stands_for, ElementsAre(0, 0, 2, 0, 0, 2, 0, 7, 8));
  EXPECT_THAT(pruning.weights, ElementsAre(5, 0, 2, 0, 0, 0, 0, 1, 1));
}

TEST(PrunePatches, AMarginKeepsWhatTouchesAKeptCell) {
  // The corner, which stands for all of the background, the 9, and the cell below it, which is predicted to be another.
  const PatchPruning pruning = prune(picture_of({{5, 5, 5, 5}, {5, 5, 5, 5}, {5, 5, 5, 9}, {5, 5, 5, 5}}));
  EXPECT_THAT(pruning.is_seen, ElementsAre(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1));
  const PatchPruning once = with_margin(pruning, 4, 4, 1);
  EXPECT_THAT(once.is_seen, ElementsAre(1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1));
  EXPECT_THAT(once.stands_for, ElementsAre(0, 1, 0, 0, 4, 0, 0, 7, 0, 0, 10, 11, 0, 0, 14, 15));
  EXPECT_EQ(once.num_seen, 8);
  EXPECT_EQ(std::accumulate(once.weights.begin(), once.weights.end(), 0.0F), 16);
  EXPECT_THAT(with_margin(pruning, 4, 4, 2).is_seen, ElementsAre(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1));
  EXPECT_EQ(with_margin(pruning, 4, 4, 0).stands_for, pruning.stands_for);
  EXPECT_EQ(with_margin(pruning, 4, 4, 100).num_seen, 16);
}

TEST(PrunePatches, AMarginEndsWithItsTile) {
  const PatchPruning tiles = with_margin(prune(picture_of({{5, 5}, {5, 5}, {5, 5}, {5, 9}})), 2, 2, 1);
  EXPECT_THAT(tiles.is_seen, ElementsAre(1, 1, 1, 0, 0, 1, 1, 1)) << "as if of two tiles";
}

TEST(PrunePatches, ToleratesDifferencesUpToTheLevels) {
  EXPECT_EQ(prune(picture_of({{100, 108}}), 8).num_seen, 1);
  EXPECT_EQ(prune(picture_of({{100, 109}}), 8).num_seen, 2);
  EXPECT_EQ(prune(picture_of({{100, 101}}), 0).num_seen, 2);
}

TEST(PrunePatches, DifferencesDoNotAddUpAlongASlope) {
  EXPECT_THAT(prune(picture_of({{100, 103, 106, 109, 112, 115}}), 8).stands_for, ElementsAre(0, 0, 0, 3, 3, 3));
  // They do where they are of opposite signs: the last is within 8 of the first.
  EXPECT_THAT(prune(picture_of({{100, 107, 101, 107}}), 8).stands_for, ElementsAre(0, 0, 0, 0));
}

TEST(PrunePatches, SeveralTolerancesAreEachTheirOwn) {
  ThreadPool pool(2);
  Image image = synthetic_picture(60, 50);
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(100 + value % 7 / 5);
  const std::array tolerances = {LevelTolerance{8}, LevelTolerance{0}, LevelTolerance{1}};
  const std::vector<PatchPruning> prunings = prune_equal_patches(image, {3, 2}, tolerances, pool);
  ASSERT_EQ(prunings.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(prunings[i].stands_for, prune(image, tolerances[i].levels, {3, 2}).stands_for);
  }
  EXPECT_GT(prunings[1].num_seen, prunings[0].num_seen);
}

TEST(PrunePatches, SeesOnePixelInOneChannel) {
  for (int c = 0; c < 3; ++c) {
    for (const int place : {0, 3, 5, 15}) {
      Image image = picture_of({{50, 50}});
      image.pixel(4 + place % 4, place / 4)[c] = 51;
      EXPECT_EQ(prune(image).num_seen, 2);
      EXPECT_EQ(prune(image, 1).num_seen, 1);
    }
  }
}

TEST(PrunePatches, CutsCellsAtTheEdges) {
  Image image = make_image({9, 5});  // 3 x 2 cells of 4: the last ones have 1 column, 1 row
  EXPECT_THAT(prune(image).weights, ElementsAre(6, 0, 0, 0, 0, 0));
  image.pixel(8, 4)[1] = 1;
  EXPECT_THAT(prune(image).is_seen, ElementsAre(1, 0, 0, 0, 0, 1));
  EXPECT_THAT(prune(make_image({1, 1}), 0, {28, 28}).weights, ElementsAre(1));
  EXPECT_EQ(prune(Image{}).num_cells(), 0);
  EXPECT_EQ(prune(make_image({0, 3})).num_cells(), 0);
}

/// The definition, a pixel at a time.
PatchPruning prune_slowly(const Image& image, ImageSize cell, int levels) {
  const int rows = (image.height + cell.height - 1) / cell.height;
  const int cols = (image.width + cell.width - 1) / cell.width;
  const auto equal = [&](int a, int b) {
    for (int y = 0; y < cell.height && a / cols * cell.height + y < image.height; ++y) {
      for (int x = 0; x < cell.width && a % cols * cell.width + x < image.width; ++x) {
        for (int c = 0; c < 3; ++c) {
          const int from = image.pixel(a % cols * cell.width + x, a / cols * cell.height + y)[c];
          const int to = image.pixel(b % cols * cell.width + x, b / cols * cell.height + y)[c];
          if (std::abs(from - to) > levels) return false;
        }
      }
    }
    return true;
  };
  PatchPruning pruning;
  pruning.weights.resize(static_cast<size_t>(rows) * static_cast<size_t>(cols));
  for (int i = 0; i < rows * cols; ++i) {
    int prediction = -1;
    if (i % cols == 0) {
      prediction = i - cols;
    } else if (i < cols) {
      prediction = i - 1;
    } else {
      prediction = equal(i - 1, i - cols - 1) && !equal(i - cols, i - cols - 1) ? i - cols : i - 1;
    }
    int kept = i;
    if (prediction >= 0 && equal(i, prediction)) {
      const int candidate = pruning.stands_for[static_cast<size_t>(prediction)];
      if (equal(i, candidate)) kept = candidate;
    }
    pruning.stands_for.push_back(kept);
    pruning.weights[static_cast<size_t>(kept)] += 1;
  }
  return pruning;
}

TEST(PrunePatches, IsTheDefinitionOnRandomPictures) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 300; ++trial) {
    const ImageSize cell = {1 + static_cast<int>(random() % 9), 1 + static_cast<int>(random() % 5)};
    Image image = make_image({1 + static_cast<int>(random() % 40), 1 + static_cast<int>(random() % 30)});
    const uint32_t rarity = trial % 3 == 0 ? 2 : 40;  // of pixels that differ
    for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(90 + (random() % rarity == 0 ? random() % 6 : 0));
    const int levels = static_cast<int>(random() % 6);
    const PatchPruning slow = prune_slowly(image, cell, levels);
    const PatchPruning fast = prune(image, levels, cell);
    ASSERT_EQ(fast.stands_for, slow.stands_for) << trial;
    ASSERT_EQ(fast.weights, slow.weights) << trial;
    EXPECT_EQ(std::accumulate(fast.weights.begin(), fast.weights.end(), 0.0f), static_cast<float>(fast.num_cells()));
  }
}

/// Normalised pixels give what the picture itself gives, tile by tile.
TEST(PrunePatches, IsTheSameOnNormalisedPixels) {
  std::mt19937 random(5);
  ThreadPool pool(2);
  for (int trial = 0; trial < 60; ++trial) {
    const ImageSize cell = {1 + static_cast<int>(random() % 12), 1 + static_cast<int>(random() % 12)};
    const int side = cell.width * cell.height;
    Image image = make_image({side, side});
    for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(90 + (random() % 60 == 0 ? random() % 6 : 0));
    const int levels = static_cast<int>(random() % 5);
    const SquareSpec spec{.size = side, .is_padded = false, .normalization = kHalf};
    const auto pixels = prepare_pixels(at_full_size(image), spec, pool);
    ASSERT_TRUE(pixels.is_ok());
    const PatchPruning pruning = prune_equal_patches(*pixels, cell, kHalf, {levels}, pool);
    EXPECT_EQ(pruning.stands_for, prune(image, levels, cell).stands_for) << trial;
  }
}

TEST(PrunePatches, PredictsNothingAcrossTiles) {
  ThreadPool pool(2);
  const TileSpec spec{.tile_size = 16, .longest_edge = 32, .normalization = kHalf};
  const auto pixels = prepare_pixels(at_full_size(picture_of({{9, 9}, {9, 9}})), spec, pool);
  ASSERT_TRUE(pixels.is_ok());
  ASSERT_EQ(pixels->num_tiles(), 5);
  const PatchPruning pruning = prune_equal_patches(*pixels, {8, 8}, kHalf, {}, pool);
  ASSERT_EQ(pruning.num_cells(), 20);
  EXPECT_EQ(pruning.num_seen, 5);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(pruning.stands_for[static_cast<size_t>(i)], i / 4 * 4);
    EXPECT_EQ(pruning.weights[static_cast<size_t>(i)], i % 4 == 0 ? 4 : 0);
  }
}

TEST(PrunePatches, PaddingIsOneCell) {
  ThreadPool pool(2);
  const SquareSpec spec{.size = 112, .normalization = kHalf};
  const auto pixels = prepare_pixels(at_full_size(synthetic_picture(224, 112)), spec, pool);
  ASSERT_TRUE(pixels.is_ok());
  const PatchPruning pruning = prune_equal_patches(*pixels, {14, 14}, kHalf, {}, pool);
  ASSERT_EQ(pruning.num_cells(), 64);
  // Rows 2 to 5 are the picture. Resizing has mixed it into the rows beside it; the first and last are padding alone.
  EXPECT_EQ(pruning.weights[0], 8);
  EXPECT_EQ(pruning.weights[56], 8);
  EXPECT_EQ(pruning.num_seen, 1 + 48 + 1);
}

}  // namespace
}  // namespace saccade
