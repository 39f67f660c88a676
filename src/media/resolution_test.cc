#include "media/resolution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace saccade {
namespace {

using testing::ElementsAre;

const AnyResolutionSpec kAnyres = {.pinpoints = {{672, 336}, {336, 672}, {672, 672}, {336, 1008}, {1008, 336}}};

int64_t tokens_of(ImageSize original, const PixelSpec& spec, int cell) {
  const auto layout = plan_pixels(original, spec);
  return layout.is_ok() ? count_cells(*layout, cell) : -1;
}

TEST(Resolution, OfASquareIsWholeCells) {
  const auto size_at = [](int longest) {
    return std::get<SquareSpec>(with_resolution(SquareSpec{}, longest, 14)).size;
  };
  EXPECT_EQ(size_at(1000), 336);
  EXPECT_EQ(size_at(336), 336);
  EXPECT_EQ(size_at(335), 322);
  EXPECT_EQ(size_at(224), 224);
  EXPECT_EQ(size_at(112), 112);
  EXPECT_EQ(size_at(5), 112);
  EXPECT_EQ(std::get<SquareSpec>(with_resolution(SquareSpec{.size = 56}, 5, 14)).size, 56);  // smaller from the start
}

TEST(Resolution, OfTilesIsWholeTiles) {
  const auto at = [](int longest) { return std::get<TileSpec>(with_resolution(TileSpec{}, longest, 32)); };
  EXPECT_EQ(at(9999).longest_edge, 2048);
  EXPECT_EQ(at(2048).longest_edge, 2048);
  EXPECT_EQ(at(2047).longest_edge, 1536);
  EXPECT_TRUE(at(1024).is_split);
  for (const int longest : {1023, 512, 300, 1}) {
    EXPECT_EQ(at(longest).longest_edge, 512);
    EXPECT_FALSE(at(longest).is_split);
  }
  EXPECT_EQ(tokens_of({1000, 700}, at(1024), 16), (4 + 1) * 1024);
  EXPECT_EQ(tokens_of({1000, 700}, at(512), 16), 1024);
}

TEST(Resolution, OfAnyResolutionIsFewerPinpoints) {
  const auto at = [](int longest) { return std::get<AnyResolutionSpec>(with_resolution(kAnyres, longest, 14)); };
  EXPECT_EQ(at(1008).pinpoints.size(), 5u);
  EXPECT_EQ(at(1007).pinpoints, (std::vector<ImageSize>{{672, 336}, {336, 672}, {672, 672}}));
  EXPECT_TRUE(at(672).is_split);
  EXPECT_FALSE(at(671).is_split);
  EXPECT_EQ(at(671).size, 336);
  EXPECT_EQ(at(300).size, 294);
  EXPECT_EQ(tokens_of({640, 480}, at(671), 14), 576);
  ThreadPool pool(1);
  const auto pixels = prepare_pixels(at_full_size(make_image({64, 48})), at(140), pool);
  ASSERT_TRUE(pixels.is_ok());
  EXPECT_EQ(pixels->num_tiles(), 1);
  EXPECT_EQ(pixels->width(), 140);
}

TEST(Resolution, OfDynamicResolutionIsPixels) {
  const auto at = [](int longest) {
    return std::get<DynamicResolutionSpec>(with_resolution(DynamicResolutionSpec{}, longest, 28)).max_pixels;
  };
  EXPECT_EQ(at(1 << 30), DynamicResolutionSpec{}.max_pixels);
  EXPECT_EQ(at(280), 280 * 280);
  EXPECT_EQ(at(1), 56 * 56);
  EXPECT_EQ(at(-1), 56 * 56);
}

TEST(Resolution, StepsAreWhereItChanges) {
  EXPECT_THAT(resolution_steps(TileSpec{}, 32), ElementsAre(2048, 1536, 1024, 512));
  EXPECT_THAT(resolution_steps(TileSpec{.is_split = false}, 32), ElementsAre(2048));
  EXPECT_THAT(resolution_steps(SquareSpec{.size = 140}, 14), ElementsAre(140, 126, 112));
  const AnyResolutionSpec anyres{.size = 126, .pinpoints = {{252, 126}, {126, 252}, {378, 126}}};
  EXPECT_THAT(resolution_steps(anyres, 14), ElementsAre(378, 252, 126, 112));
  const DynamicResolutionSpec dynamic{.min_pixels = 56 * 56, .max_pixels = 120 * 120};
  EXPECT_THAT(resolution_steps(dynamic, 28), ElementsAre(120, 112, 84, 56));
}

TEST(Resolution, StepsMakeFewerAndFewerTokens) {
  const struct {
    PixelSpec spec;
    int cell;
  } kCases[] = {{SquareSpec{}, 14}, {kAnyres, 14}, {TileSpec{}, 64}, {DynamicResolutionSpec{}, 28}};
  for (const auto& c : kCases) {
    for (const ImageSize size : {ImageSize{640, 480}, {300, 900}, {1240, 1754}, {20, 20}}) {
      int64_t before = tokens_of(size, c.spec, c.cell);
      const std::vector<int> steps = resolution_steps(c.spec, c.cell);
      EXPECT_EQ(tokens_of(size, with_resolution(c.spec, steps.front(), c.cell), c.cell), before);
      for (const int step : steps) {
        const int64_t tokens = tokens_of(size, with_resolution(c.spec, step, c.cell), c.cell);
        EXPECT_LE(tokens, before) << c.spec.index() << " at " << step;
        EXPECT_GT(tokens, 0);
        before = tokens;
      }
    }
  }
}

TEST(Resolution, KeepsWithinTokens) {
  const struct {
    PixelSpec spec;
    int cell;
    int64_t least;
  } kCases[] = {{SquareSpec{}, 14, 64}, {kAnyres, 14, 64}, {TileSpec{}, 64, 64}, {DynamicResolutionSpec{}, 28, 24}};
  for (const auto& c : kCases) {
    for (const ImageSize size : {ImageSize{640, 480}, {300, 900}, {1240, 1754}, {20, 20}, {3000, 20}}) {
      for (const int64_t max_tokens : {1, 64, 100, 256, 576, 1000, 100'000}) {
        const auto spec = with_max_tokens(c.spec, size, max_tokens, c.cell);
        ASSERT_TRUE(spec.is_ok());
        EXPECT_LE(tokens_of(size, *spec, c.cell), std::max(max_tokens, c.least)) << c.spec.index();
        if (tokens_of(size, c.spec, c.cell) <= max_tokens) {
          EXPECT_EQ(tokens_of(size, *spec, c.cell), tokens_of(size, c.spec, c.cell));
        }
      }
    }
  }
  // Not coarser than it must be: 16 x 16 cells are 256.
  EXPECT_EQ(tokens_of({640, 480}, *with_max_tokens(SquareSpec{}, {640, 480}, 256, 14), 14), 256);
  EXPECT_GT(tokens_of({640, 480}, *with_max_tokens(DynamicResolutionSpec{}, {640, 480}, 256, 28), 28), 220);
}

TEST(Resolution, DetailIsHonoured) {
  const ImageSize page = {1240, 1754};
  const auto tokens = [&](const PixelSpec& spec, ImageSize size, Detail detail, int cell) {
    return tokens_of(size, *with_detail(spec, size, detail, cell), cell);
  };
  EXPECT_EQ(tokens(TileSpec{}, page, Detail::kHigh, 64), 13 * 64);
  EXPECT_EQ(tokens(TileSpec{}, page, Detail::kLow, 64), 64);
  EXPECT_EQ(tokens(TileSpec{}, page, Detail::kAuto, 64), 13 * 64);
  EXPECT_EQ(tokens(TileSpec{}, {500, 300}, Detail::kAuto, 64), 64);  // no pixel is lost in one tile
  EXPECT_EQ(tokens(TileSpec{}, {513, 300}, Detail::kAuto, 64), 13 * 64);
  EXPECT_EQ(tokens(SquareSpec{}, page, Detail::kLow, 14), 256);
  EXPECT_EQ(tokens(SquareSpec{}, page, Detail::kAuto, 14), 576);
  EXPECT_EQ(tokens(kAnyres, page, Detail::kLow, 14), 256);
  EXPECT_GT(tokens(kAnyres, page, Detail::kHigh, 14), 576);
  EXPECT_LE(tokens(DynamicResolutionSpec{}, page, Detail::kLow, 28), 256);
  EXPECT_GT(tokens(DynamicResolutionSpec{}, page, Detail::kAuto, 28), 1000);
  EXPECT_FALSE(with_detail(DynamicResolutionSpec{}, {5000, 1}, Detail::kLow, 28).is_ok());
  EXPECT_FALSE(with_detail(TileSpec{}, {0, 0}, Detail::kAuto, 64).is_ok());
}

}  // namespace
}  // namespace saccade
