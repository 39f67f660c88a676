#include "media/redundancy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "media/golden_pixels.h"

namespace saccade {
namespace {

Image drawn(ImageSize size, const std::function<int(int x, int y)>& grey_at) {
  Image image = make_image(size);
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      for (int c = 0; c < 3; ++c) image.pixel(x, y)[c] = static_cast<uint8_t>(grey_at(x, y));
    }
  }
  return image;
}

Redundancy measure(const Image& image, int cell = 8) {
  ThreadPool pool(2);
  return measure_redundancy(image, {cell, cell}, pool);
}

TEST(Redundancy, OfAFlatPictureIsComplete) {
  const Redundancy flat = measure(drawn({64, 48}, [](int, int) { return 77; }));
  EXPECT_EQ(flat.rows, 6);
  EXPECT_EQ(flat.cols, 8);
  EXPECT_EQ(flat.neighbour_correlation, 1);
  EXPECT_EQ(flat.survives_half, 1);
  EXPECT_EQ(flat.survives_quarter, 1);
  EXPECT_NEAR(flat.background_share, 1, 1e-12);
  EXPECT_EQ(flat.background, (std::array<uint8_t, 3>{77, 77, 77}));
  EXPECT_NEAR(flat.unique_share, 1.0 / 48, 1e-12);
  EXPECT_EQ(flat.edge_share, 0);
  EXPECT_EQ(flat.cell_entropy_bits, 0);
  EXPECT_EQ(flat.similarity, std::vector<float>(48, 1.0f));
}

TEST(Redundancy, OfAColouredFlatPictureToo) {
  Image image = make_image({32, 32});
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(i % 3 * 90);
  EXPECT_EQ(measure(image).survives_half, 1);
  EXPECT_EQ(measure(image).neighbour_correlation, 1);
}

TEST(Redundancy, OfNoiseIsNone) {
  std::mt19937 random(1);
  Image image = make_image({256, 256});
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random());
  const Redundancy noise = measure(image);
  EXPECT_NEAR(noise.neighbour_correlation, 0, 0.01);
  EXPECT_NEAR(noise.survives_half, 1.0 / 4, 0.01);      // the variance of a mean of 4
  EXPECT_NEAR(noise.survives_quarter, 1.0 / 16, 0.01);  // of 16
  EXPECT_EQ(noise.unique_share, 1);
  EXPECT_EQ(noise.background_share, 0);
  EXPECT_NEAR(noise.edge_share, 1 - std::pow(1 - 0.82, 1.5), 0.1);
  EXPECT_NEAR(noise.cell_entropy_bits, 4 - 15 / (2 * 32 * std::log(2.0)), 0.1);  // 32 samples: Miller's bias
}

TEST(Redundancy, SeesWhatHalvingWouldLose) {
  const Redundancy checkers = measure(drawn({64, 64}, [](int x, int y) { return (x + y) % 2 * 200; }));
  EXPECT_EQ(checkers.survives_half, 0);
  EXPECT_EQ(checkers.survives_quarter, 0);
  EXPECT_EQ(checkers.neighbour_correlation, 1);  // cells of 8 are all alike
  EXPECT_NEAR(checkers.unique_share, 1.0 / 64, 1e-12);
  EXPECT_NEAR(checkers.edge_share, 1, 0.001);  // but for the last pixel
  EXPECT_EQ(checkers.cell_entropy_bits, 1);
  const Redundancy stripes = measure(drawn({64, 64}, [](int, int y) { return y / 2 % 2 * 200; }));
  EXPECT_EQ(stripes.survives_half, 1);
  EXPECT_EQ(stripes.survives_quarter, 0);
}

TEST(Redundancy, OfOppositeNeighboursIsNegative) {
  const Redundancy checkers = measure(drawn({64, 64}, [](int x, int y) { return (x / 8 + y / 8) % 2 * 200; }));
  EXPECT_EQ(checkers.neighbour_correlation, -1);
  EXPECT_EQ(checkers.similarity, std::vector<float>(64, 0.0f));
  EXPECT_EQ(checkers.background_share, 0.5);
}

TEST(Redundancy, CountsTheBackground) {
  const Redundancy page =
      measure(drawn({80, 80}, [](int x, int y) { return x < 40 && y < 40 ? (x * 7 + y) % 90 : 247; }));
  EXPECT_EQ(page.background, (std::array<uint8_t, 3>{247, 247, 247}));
  EXPECT_NEAR(page.background_share, 0.75, 1e-12);
  EXPECT_LT(page.unique_share, 0.32);
}

TEST(Redundancy, ToleratesLevelsInTheSecondCount) {
  std::mt19937 random(1);
  const Redundancy page = measure(drawn({80, 80}, [&](int, int) { return 200 + static_cast<int>(random() % 5); }));
  EXPECT_EQ(page.unique_share, 1);
  EXPECT_NEAR(page.unique_share_within_8, 0.01, 1e-12);
}

TEST(Redundancy, OfPicturesSmallerThanAWindow) {
  for (const ImageSize size : {ImageSize{1, 1}, {1, 9}, {9, 1}, {3, 3}, {2, 300}}) {
    const Redundancy tiny = measure(synthetic_picture(size.width, size.height), 28);
    EXPECT_EQ(tiny.num_cells(), (size.height + 27) / 28);
    EXPECT_GE(tiny.survives_half, 0);
    EXPECT_LE(tiny.survives_half, 1);
    EXPECT_GT(tiny.unique_share, 0);
  }
  EXPECT_EQ(measure(synthetic_picture(3, 3)).survives_quarter, 0);
  EXPECT_EQ(measure(Image{}).num_cells(), 0);
  EXPECT_EQ(measure(make_image({0, 7})).unique_share, 0);
}

TEST(Redundancy, PrunesAsPixelPruneDoes) {
  std::mt19937 random(2);
  ThreadPool pool(2);
  constexpr std::array kTolerances = {LevelTolerance{0}, LevelTolerance{8}};
  for (int trial = 0; trial < 60; ++trial) {
    const ImageSize cell = {1 + static_cast<int>(random() % 12), 1 + static_cast<int>(random() % 12)};
    Image image = make_image({1 + static_cast<int>(random() % 90), 1 + static_cast<int>(random() % 60)});
    const uint32_t levels = trial % 2 == 0 ? 12 : 30;
    for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(90 + (random() % 40 == 0 ? random() % levels : 0));
    const Redundancy redundancy = measure_redundancy(image, cell, pool);
    const std::vector<PatchPruning> prunings = prune_equal_patches(image, cell, kTolerances, pool);
    ASSERT_EQ(redundancy.exact.stands_for, prunings[0].stands_for) << trial;
    ASSERT_EQ(redundancy.within_8.stands_for, prunings[1].stands_for) << trial;
  }
}

// What NumPy makes of the same definitions: tools/parity/redundancy.py.
TEST(Redundancy, IsWhatNumpySays) {
  const auto table = read_golden_table("redundancy.tsv");
  ASSERT_GE(table.size(), 5u);
  for (const auto& row : table) {
    const Image image = synthetic_picture(std::stoi(row[0]), std::stoi(row[1]));
    const Redundancy redundancy = measure(image, std::stoi(row[2]));
    const double values[] = {redundancy.neighbour_correlation, redundancy.survives_half,
                             redundancy.survives_quarter,      redundancy.edge_share,
                             redundancy.cell_entropy_bits,     redundancy.background_share};
    for (size_t i = 0; i < std::size(values); ++i) {
      EXPECT_NEAR(values[i], std::stod(row[3 + i]), 1e-6) << row[0] << " x " << row[1] << ", column " << 3 + i;
    }
  }
}

}  // namespace
}  // namespace saccade
