// One processor per kind of PixelSpec: what it would make of a picture, and making it. Called by pixel_batch.cc, which
// has checked the spec, and the layout against the limits, before it calls a make_tiles().
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "media/pixel_batch.h"
#include "saccade/status.h"

namespace saccade {

/// The tiles of one picture, filled row by row: 8-bit pixels in, normalised planes out. Thread safety: rows may be
/// written by several threads.
class TileWriter {
 public:
  TileWriter(const PixelLayout& layout, const Normalization& normalization);

  /// Row `y` of a tile; `row` is [tile width, 3].
  void write_row(int tile_idx, int y, const uint8_t* row);

  /// Row `y` of a grid of tiles of which `first_tile` is the first; `row` is [grid_cols * tile width, 3].
  void write_grid_row(int first_tile, int grid_cols, int y, const uint8_t* row);

  /// After all rows of all tiles are written.
  Tensor take() && { return std::move(pixels_); }

 private:
  ImageSize tile_;
  std::array<std::array<float, 256>, 3> normalized_;  // of each channel's 8-bit values
  Tensor pixels_;                                     // [num_tiles, 3, tile height, tile width]
};

// A pair for each alternative of PixelSpec. Errors: kInvalidArgument for a spec or shape the family refuses.

Expected<PixelLayout> plan_tiles(ImageSize original, const SquareSpec& spec);
Expected<PixelLayout> plan_tiles(ImageSize original, const AnyResolutionSpec& spec);
Expected<PixelLayout> plan_tiles(ImageSize original, const TileSpec& spec);
Expected<PixelLayout> plan_tiles(ImageSize original, const DynamicResolutionSpec& spec);

void make_tiles(const DecodedImage& decoded, const SquareSpec& spec, const PixelLayout& layout, ThreadPool& pool,
                TileWriter& writer);
void make_tiles(const DecodedImage& decoded, const AnyResolutionSpec& spec, const PixelLayout& layout, ThreadPool& pool,
                TileWriter& writer);
void make_tiles(const DecodedImage& decoded, const TileSpec& spec, const PixelLayout& layout, ThreadPool& pool,
                TileWriter& writer);
void make_tiles(const DecodedImage& decoded, const DynamicResolutionSpec& spec, const PixelLayout& layout,
                ThreadPool& pool, TileWriter& writer);

// Where a tile lies in the original, in its pixels.

Box tile_box(ImageSize original, const SquareSpec& spec, const PixelLayout& layout, int tile_idx);
Box tile_box(ImageSize original, const AnyResolutionSpec& spec, const PixelLayout& layout, int tile_idx);
Box tile_box(ImageSize original, const TileSpec& spec, const PixelLayout& layout, int tile_idx);
Box tile_box(ImageSize original, const DynamicResolutionSpec& spec, const PixelLayout& layout, int tile_idx);

/// All of the picture.
inline Box whole_box(ImageSize original) {
  return {0, 0, static_cast<double>(original.width), static_cast<double>(original.height)};
}

/// The tile in row idx / cols and column idx % cols of a grid over `box`.
inline Box grid_tile_box(const Box& box, int rows, int cols, int idx) {
  const int row = idx / cols;
  const int col = idx % cols;
  const double width = box.width / cols;
  const double height = box.height / rows;
  return {box.left + width * col, box.top + height * row, width, height};
}

/// Side lengths and edges that a spec may ask for; the spec may come out of a file.
constexpr int kMaxSpecSide = 8192;
inline bool is_spec_side(int side) {
  return side >= 1 && side <= kMaxSpecSide;
}

}  // namespace saccade
