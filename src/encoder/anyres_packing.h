// LLaVA-1.6: the tiles' patches as one grid, cut to the part that shows the picture, a newline after each row.
#pragma once

#include <cstdint>
#include <vector>

#include "media/pixel_batch.h"

namespace saccade {

/// The patches of a tiled grid that are kept.
struct GridCrop {
  int64_t first_row = 0;
  int64_t num_rows = 0;
  int64_t first_col = 0;
  int64_t num_cols = 0;
  bool operator==(const GridCrop&) const = default;
};

/// The part of a grid of patches that a picture fills which was scaled to fit within it and centred. A padding of an
/// odd number of patches keeps the odd one, as Transformers' unpad_image() does.
GridCrop crop_padding(int64_t grid_rows, int64_t grid_cols, ImageSize original);

/// A patch of one of a picture's tiles, or a newline.
struct TilePatch {
  int64_t tile = 0;
  int64_t patch = 0;  // counted row by row
  bool operator==(const TilePatch&) const = default;
};
inline constexpr TilePatch kNewline = {-1, -1};

/// The kept patches row by row, a newline after each row: crop.num_rows * (crop.num_cols + 1). Tiles of side x side
/// patches, `tile_cols` next to each other, counted from `first_tile` on.
std::vector<TilePatch> pack_patches(int64_t first_tile, int64_t side, int64_t tile_cols, const GridCrop& crop);

}  // namespace saccade
