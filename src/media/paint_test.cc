#include "media/paint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "media/golden_pixels.h"
#include "media/patch_pruning.h"

namespace saccade {
namespace {

std::array<int, 3> rgb_at(const Image& image, int x, int y) {
  const uint8_t* pixel = image.pixel(x, y);
  return {pixel[0], pixel[1], pixel[2]};
}

Image white(ImageSize size) {
  Image image = make_image(size);
  std::ranges::fill(image.rgb, uint8_t{200});
  return image;
}

TEST(Paint, MarksEveryState) {
  const Image picture = white({60, 20});
  const Image painted = paint_cells(
      picture, std::vector<PaintedCell>{{{0, 0, 20, 20}, CellState::kKept}, {{20, 0, 20, 20}, CellState::kDropped}});
  EXPECT_EQ(rgb_at(painted, 10, 10), rgb_at(picture, 10, 10));
  EXPECT_NE(rgb_at(painted, 0, 10), rgb_at(picture, 0, 10));  // the outline
  EXPECT_NE(rgb_at(painted, 10, 0), rgb_at(picture, 10, 0));
  EXPECT_EQ(rgb_at(painted, 1, 1), rgb_at(picture, 1, 1));
  EXPECT_EQ(rgb_at(painted, 30, 10), (std::array<int, 3>{60, 60, 60}));
  EXPECT_EQ(rgb_at(painted, 50, 10), rgb_at(picture, 50, 10));  // in no cell
}

TEST(Paint, GroupsHaveColours) {
  const Image picture = white({10, 10});
  std::set<std::array<int, 3>> colors;
  for (int32_t group = 0; group < 12; ++group) {
    const std::vector<PaintedCell> cell = {{{0, 0, 10, 10}, CellState::kMerged, group}};
    colors.insert(rgb_at(paint_cells(picture, cell), 5, 5));
  }
  EXPECT_EQ(colors.size(), 12u);
}

TEST(Paint, TheLastOfOverlappingCellsCounts) {
  const Image picture = white({20, 20});
  const std::vector<PaintedCell> cells = {{{0, 0, 20, 20}, CellState::kDropped}, {{4, 4, 8, 8}, CellState::kKept}};
  const Image painted = paint_cells(picture, cells);
  EXPECT_EQ(rgb_at(painted, 8, 8), rgb_at(picture, 8, 8));
  EXPECT_EQ(rgb_at(painted, 15, 15), (std::array<int, 3>{60, 60, 60}));
}

TEST(Paint, StaysWithinThePicture) {
  const Image picture = white({20, 10});
  const std::vector<PaintedCell> cells = {
      {{-5, -5, 100, 100}, CellState::kDropped}, {{30, 30, 5, 5}, CellState::kKept}, {{3, 3, 0, 0}, CellState::kKept}};
  EXPECT_EQ(rgb_at(paint_cells(picture, cells), 19, 9), (std::array<int, 3>{60, 60, 60}));
  EXPECT_EQ(paint_cells(Image{}, cells).rgb.size(), 0u);
  EXPECT_EQ(paint_heat(Image{}, {}).rgb.size(), 0u);
}

TEST(Paint, HeatFollowsTheRedundancy) {
  const Image picture = white({80, 20});
  const Image painted = paint_heat(picture, std::vector<CellHeat>{{{0, 0, 20, 20}, 0},
                                                                  {{20, 0, 20, 20}, 1},
                                                                  {{40, 0, 20, 20}, 1, true, true},
                                                                  {{60, 0, 20, 20}, 0, false, true}});
  EXPECT_EQ(rgb_at(painted, 10, 10), rgb_at(picture, 10, 10));
  EXPECT_GT(rgb_at(painted, 30, 11)[0], 200);
  EXPECT_LT(rgb_at(painted, 30, 11)[1], 100);
  const auto grey = rgb_at(painted, 50, 11);
  EXPECT_LT(grey[0], 190);
  EXPECT_EQ(grey[0], grey[1]);
  EXPECT_EQ(grey[1], grey[2]);
  EXPECT_LT(rgb_at(painted, 48, 8)[0], grey[0]);  // hatched where x + y is a multiple of 8
  EXPECT_EQ(rgb_at(painted, 70, 11), rgb_at(picture, 70, 11));
  EXPECT_LT(rgb_at(painted, 64, 8)[0], 150);
}

TEST(Paint, CellsAreThoseOfTheMask) {
  ThreadPool pool(1);
  const ImageSize cell = {14, 14};
  const ImageSize size = {200, 120};
  for (const PixelSpec& spec : std::vector<PixelSpec>{
           SquareSpec{.size = 112}, AnyResolutionSpec{.size = 56, .pinpoints = {{112, 56}, {56, 112}}},
           TileSpec{.tile_size = 64, .longest_edge = 128}, DynamicResolutionSpec{.patch_size = 7}}) {
    const auto layout = plan_pixels(size, spec);
    const auto pixels = prepare_pixels(at_full_size(synthetic_picture(size.width, size.height)), spec, pool);
    ASSERT_TRUE(layout.is_ok() && pixels.is_ok());
    const PatchPruning pruning = prune_equal_patches(*pixels, cell, Normalization{}, {}, pool);
    const std::vector<Box> boxes = cells_in_picture(size, spec, *layout, cell);
    EXPECT_EQ(boxes.size(), pruning.is_seen.size()) << spec.index();
    const CellRange global = cells_of_global_view(spec, *layout, cell);
    EXPECT_EQ(global.end > global.begin, layout->has_global_view);
    double area = 0;  // of the cells beside it: the picture's, but for what is left of a tile that no cells fill
    for (int i = 0; i < static_cast<int>(boxes.size()); ++i) {
      const Box& box = boxes[static_cast<size_t>(i)];
      if (i < global.begin || i >= global.end) area += box.width * box.height;
    }
    EXPECT_NEAR(area / (size.width * size.height), 1, spec.index() == 2 ? 0.25 : 1e-9) << spec.index();
  }
}

}  // namespace
}  // namespace saccade
