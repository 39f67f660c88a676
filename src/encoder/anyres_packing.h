// LLaVA-1.6: the tiles' patches as one grid, cut to the part that shows the picture, a newline after each row.
#pragma once

#include <cstdint>

#include "media/pixel_batch.h"
#include "tensor/tensor.h"

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

/// Gathers the kept patches row by row, with `newline` [model_dim] after each row.
/// tiles [tile_rows * tile_cols * side * side, model_dim], from row `first_row` of `projected` on, tile by tile.
/// Returns [crop.num_rows * (crop.num_cols + 1), model_dim].
Tensor pack_rows(const Tensor& projected, int64_t first_row, int64_t side, int64_t tile_cols, const GridCrop& crop,
                 const Tensor& newline);

}  // namespace saccade
