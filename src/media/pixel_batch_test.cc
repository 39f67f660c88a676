#include "media/pixel_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "media/golden_pixels.h"

namespace saccade {
namespace {

using testing::HasSubstr;

constexpr Normalization kClip = {{0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}};
constexpr Normalization kHalf = {{0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}};

// As tools/parity/pixels.py has them; there they are (height, width).
const std::vector<ImageSize> kPinpoints = {{672, 336}, {336, 672}, {672, 672}, {336, 1008}, {1008, 336}};

PixelSpec spec_of(const std::string& kind, const std::string& settings) {
  std::istringstream in(settings);
  if (kind == "square") {
    SquareSpec spec{.normalization = kClip};
    in >> spec.size >> spec.is_padded;
    return spec;
  }
  if (kind == "any_resolution") {
    AnyResolutionSpec spec{.pinpoints = kPinpoints, .normalization = kClip};
    in >> spec.size;
    return spec;
  }
  if (kind == "tiles") {
    TileSpec spec{.normalization = kHalf};
    in >> spec.tile_size >> spec.longest_edge >> spec.is_split;
    return spec;
  }
  DynamicResolutionSpec spec{.normalization = kClip};
  in >> spec.patch_size >> spec.merge_size >> spec.min_pixels >> spec.max_pixels;
  return spec;
}

/// The places that tools/parity/pixels.py samples.
size_t sample_place(size_t sample_idx, size_t count) {
  return (sample_idx * 2654435761u + 12345u) % count;
}

TEST(PreparePixels, MatchesTheProcessors) {
  ThreadPool pool(2);
  const auto table = read_golden_table("processors.tsv");
  ASSERT_GE(table.size(), 100u);
  for (const auto& row : table) {
    const std::string name = row[0] + " " + row[1] + ", " + row[2] + " x " + row[3];
    const Image image = synthetic_picture(std::stoi(row[2]), std::stoi(row[3]));
    const Expected<PixelBatch> batch = prepare_pixels(at_full_size(image), spec_of(row[0], row[1]), pool);
    ASSERT_TRUE(batch.is_ok()) << name << ": " << batch.status().message();
    ASSERT_EQ(batch->num_tiles(), std::stoi(row[4])) << name;
    ASSERT_EQ(batch->width(), std::stoi(row[5])) << name;
    ASSERT_EQ(batch->height(), std::stoi(row[6])) << name;
    const std::span<const float> values = std::as_const(batch->pixels).floats();
    std::istringstream samples(row[8]);
    size_t sample_idx = 0;
    for (float expected; samples >> expected; ++sample_idx) {
      const size_t place = sample_place(sample_idx, values.size());
      ASSERT_NEAR(values[place], expected, 1e-6) << name << ", value " << place;
    }
    EXPECT_GE(sample_idx, 20u);
    EXPECT_EQ(crc_of(values.data(), values.size_bytes()), crc_in(row[7])) << name;
  }
}

std::vector<PixelSpec> all_kinds() {
  return {SquareSpec{.size = 56},
          SquareSpec{.size = 56, .is_padded = false},
          AnyResolutionSpec{.size = 28, .pinpoints = {{56, 28}, {28, 56}, {56, 56}, {84, 28}, {28, 84}}},
          AnyResolutionSpec{.size = 28, .is_split = false},
          TileSpec{.tile_size = 32, .longest_edge = 128},
          TileSpec{.tile_size = 30, .longest_edge = 97},
          TileSpec{.tile_size = 32, .longest_edge = 128, .is_split = false},
          TileSpec{.tile_size = 32, .longest_edge = 128, .is_enlarged = false},
          DynamicResolutionSpec{.min_pixels = 28 * 28 * 4, .max_pixels = 28 * 28 * 40}};
}

void expect_plan_is_kept(ImageSize size, const PixelSpec& spec) {
  ThreadPool pool(2);
  const std::string name =
      std::to_string(spec.index()) + ": " + std::to_string(size.width) + " x " + std::to_string(size.height);
  const Expected<PixelLayout> layout = plan_pixels(size, spec);
  const Expected<PixelBatch> batch =
      prepare_pixels(at_full_size(synthetic_picture(size.width, size.height)), spec, pool);
  ASSERT_EQ(layout.is_ok(), batch.is_ok()) << name;
  if (!layout.is_ok()) {
    EXPECT_EQ(layout.status().message(), batch.status().message());
    return;
  }
  EXPECT_EQ(layout->num_tiles, batch->num_tiles()) << name;
  EXPECT_EQ(layout->grid_rows, batch->grid_rows) << name;
  EXPECT_EQ(layout->grid_cols, batch->grid_cols) << name;
  EXPECT_EQ(layout->has_global_view, batch->has_global_view) << name;
  EXPECT_EQ(layout->tile, (ImageSize{batch->width(), batch->height()})) << name;
  EXPECT_EQ(layout->num_tiles, layout->grid_rows * layout->grid_cols + (layout->has_global_view ? 1 : 0)) << name;
  EXPECT_EQ(batch->original, size) << name;
}

TEST(PlanPixels, IsWhatPreparePixelsDoes) {
  std::mt19937 random(11);
  for (const PixelSpec& spec : all_kinds()) {
    for (int trial = 0; trial < 60; ++trial) {
      const unsigned limit = trial % 2 == 0 ? 40 : 300;
      expect_plan_is_kept({1 + static_cast<int>(random() % limit), 1 + static_cast<int>(random() % limit)}, spec);
    }
    for (const ImageSize size : {ImageSize{1, 1}, {1, 5000}, {5000, 1}, {2, 400}, {401, 2}}) {
      expect_plan_is_kept(size, spec);
    }
  }
}

TEST(PlanPixels, RefusesALongPictureForQwen) {
  const Expected<PixelLayout> layout = plan_pixels({5000, 1}, DynamicResolutionSpec{});
  ASSERT_FALSE(layout.is_ok());
  EXPECT_EQ(layout.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(layout.status().message(), HasSubstr("5000 x 1"));
  EXPECT_TRUE(plan_pixels({2000, 10}, DynamicResolutionSpec{}).is_ok());
}

TEST(PlanPixels, RoundsHalvesToEvenAsPython) {
  const DynamicResolutionSpec spec{.min_pixels = 1, .max_pixels = 1 << 30};
  EXPECT_EQ(plan_pixels({70, 98}, spec)->tile, (ImageSize{56, 112}));  // 2.5 and 3.5 times 28
}

TEST(PlanPixels, LeavesASmallPictureSmallWhereAsked) {
  const struct {
    ImageSize size;
    int rows, cols;              // enlarged, as the family does
    int small_rows, small_cols;  // not
  } kCases[] = {{{640, 480}, 3, 4, 2, 2}, {{300, 200}, 3, 4, 1, 1}, {{512, 512}, 4, 4, 1, 1},
                {{513, 100}, 1, 4, 1, 2}, {{200, 900}, 4, 1, 2, 1}, {{4000, 3000}, 3, 4, 3, 4}};
  for (const auto& c : kCases) {
    const auto enlarged = plan_pixels(c.size, TileSpec{});
    const auto small = plan_pixels(c.size, TileSpec{.is_enlarged = false});
    ASSERT_TRUE(enlarged.is_ok() && small.is_ok());
    EXPECT_EQ(enlarged->grid_rows, c.rows) << c.size.width << " x " << c.size.height;
    EXPECT_EQ(enlarged->grid_cols, c.cols) << c.size.width << " x " << c.size.height;
    EXPECT_EQ(small->grid_rows, c.small_rows) << c.size.width << " x " << c.size.height;
    EXPECT_EQ(small->grid_cols, c.small_cols) << c.size.width << " x " << c.size.height;
    EXPECT_EQ(small->has_global_view, c.small_rows * c.small_cols > 1);
  }
}

TEST(PlanPixels, CapsWhatAPictureMayBecome) {
  const PixelSpec huge[] = {DynamicResolutionSpec{.max_pixels = int64_t{1} << 60},
                            DynamicResolutionSpec{.min_pixels = int64_t{1} << 61, .max_pixels = int64_t{1} << 62},
                            SquareSpec{.size = 8192}};
  for (const PixelSpec& spec : huge) {
    EXPECT_EQ(plan_pixels({30'000, 3'000}, spec).status().code(), StatusCode::kResourceExhausted) << spec.index();
  }
}

TEST(PlanPixels, RefusesSenselessSpecs) {
  const PixelSpec senseless[] = {SquareSpec{.size = 0},
                                 SquareSpec{.size = -1},
                                 SquareSpec{.normalization = {{0, 0, 0}, {1, 0, 1}}},
                                 AnyResolutionSpec{},
                                 AnyResolutionSpec{.pinpoints = {{336, 100}}},
                                 TileSpec{.tile_size = 0},
                                 TileSpec{.longest_edge = 1 << 30},
                                 DynamicResolutionSpec{.patch_size = 0},
                                 DynamicResolutionSpec{.min_pixels = 0},
                                 DynamicResolutionSpec{.min_pixels = 9, .max_pixels = 8}};
  for (const PixelSpec& spec : senseless) {
    EXPECT_EQ(plan_pixels({100, 100}, spec).status().code(), StatusCode::kInvalidArgument) << spec.index();
  }
  EXPECT_EQ(plan_pixels({0, 5}, SquareSpec{}).status().code(), StatusCode::kInvalidArgument);
}

TEST(PreparePixels, PadsAndCropsAStripWithoutDrawingTheWholeCanvas) {
  ThreadPool pool(2);
  const DecodedImage strip =
      at_full_size(synthetic_picture(1, 20'000));  // the square around it would have 400 megapixels
  EXPECT_TRUE(prepare_pixels(strip, SquareSpec{}, pool).is_ok());
  EXPECT_TRUE(prepare_pixels(strip, SquareSpec{.is_padded = false}, pool).is_ok());
}

/// Red says how far right, green how far down, blue that it is no padding.
Image map_of_itself(ImageSize size) {
  Image image = make_image(size);
  for (int y = 0; y < size.height; ++y) {
    for (int x = 0; x < size.width; ++x) {
      image.pixel(x, y)[0] = static_cast<uint8_t>((x + 0.5) * 255 / size.width);
      image.pixel(x, y)[1] = static_cast<uint8_t>((y + 0.5) * 255 / size.height);
      image.pixel(x, y)[2] = 200;
    }
  }
  return image;
}

struct CellMean {
  double red, green, blue;
};

CellMean mean_of(const PixelBatch& batch, int tile_idx, Window cell) {
  double sums[3] = {};
  for (int c = 0; c < 3; ++c) {
    for (int y = cell.top; y < cell.top + cell.size.height; ++y) {
      for (int x = cell.left; x < cell.left + cell.size.width; ++x) {
        const int64_t plane = int64_t{tile_idx} * 3 + c;
        sums[c] += batch.pixels.floats()[static_cast<size_t>((plane * batch.height() + y) * batch.width() + x)];
      }
    }
  }
  const double scale = 255.0 / (cell.size.width * cell.size.height);
  return {sums[0] * scale, sums[1] * scale, sums[2] * scale};
}

TEST(CellInPicture, IsWhereItsPixelsComeFrom) {
  ThreadPool pool(2);
  const int cell_size = 14;
  for (const ImageSize size : {ImageSize{300, 200}, {200, 300}, {97, 260}, {250, 250}, {600, 240}}) {
    const Image image = map_of_itself(size);
    for (const PixelSpec& spec : std::vector<PixelSpec>{
             SquareSpec{.size = 112}, SquareSpec{.size = 112, .is_padded = false},
             AnyResolutionSpec{.size = 56, .pinpoints = {{112, 56}, {56, 112}, {112, 112}, {168, 56}, {56, 168}}},
             AnyResolutionSpec{.size = 56, .is_split = false}, TileSpec{.tile_size = 56, .longest_edge = 224},
             TileSpec{.tile_size = 56, .longest_edge = 224, .is_split = false},
             DynamicResolutionSpec{.max_pixels = 28 * 28 * 40}}) {
      const auto layout = plan_pixels(size, spec);
      const auto batch = prepare_pixels(at_full_size(image), spec, pool);
      ASSERT_TRUE(layout.is_ok() && batch.is_ok());
      int num_checked = 0;
      int num_padding = 0;
      for (int tile = 0; tile < layout->num_tiles; ++tile) {
        for (int y = 0; y + cell_size <= layout->tile.height; y += cell_size) {
          for (int x = 0; x + cell_size <= layout->tile.width; x += cell_size) {
            const Window cell = {x, y, {cell_size, cell_size}};
            const Box box = cell_in_picture(size, spec, *layout, tile, cell);
            const CellMean mean = mean_of(*batch, tile, cell);
            const Box tile_box = tile_in_picture(size, spec, *layout, tile);
            const double whole =
                tile_box.width * tile_box.height * cell_size * cell_size / (layout->tile.width * layout->tile.height);
            if (box.width <= 0 || box.height <= 0) {
              ++num_padding;
              EXPECT_LT(mean.blue, 60);  // some of the picture comes over the edge when it is resized
            } else if (box.width * box.height > 0.999 * whole) {
              ++num_checked;
              EXPECT_NEAR(mean.red, (box.left + box.width / 2) * 255 / size.width, 5) << spec.index() << " " << tile;
              EXPECT_NEAR(mean.green, (box.top + box.height / 2) * 255 / size.height, 5) << spec.index() << " " << tile;
              EXPECT_GT(mean.blue, 175);
            }
          }
        }
      }
      EXPECT_GE(num_checked, 7) << spec.index() << " " << size.width;
      if (spec.index() == 0 && std::get<SquareSpec>(spec).is_padded && size == ImageSize{600, 240}) {
        EXPECT_GT(num_padding, 0);
      }
    }
  }
}

TEST(CellInPicture, OfPaddingIsEmpty) {
  const SquareSpec spec{.size = 112};
  const auto layout = plan_pixels({224, 112}, spec);
  ASSERT_TRUE(layout.is_ok());
  const Box padding = cell_in_picture({224, 112}, spec, *layout, 0, {56, 0, {14, 28}});
  EXPECT_EQ(padding.height, 0);
  const Box half = cell_in_picture({224, 112}, spec, *layout, 0, {56, 14, {14, 28}});
  EXPECT_EQ(half.left, 112);
  EXPECT_EQ(half.top, 0);
  EXPECT_EQ(half.width, 28);
  EXPECT_EQ(half.height, 28);
}

}  // namespace
}  // namespace saccade
