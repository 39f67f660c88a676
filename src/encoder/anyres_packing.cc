#include "encoder/anyres_packing.h"

#include <algorithm>
#include <cmath>

namespace saccade {
namespace {

// Python's int(round(x, 7)), which Transformers takes so that 23.99999999 counts as 24.
int64_t truncate_rounded(double x) {
  return static_cast<int64_t>(std::round(x * 1e7) / 1e7);
}

}  // namespace

GridCrop crop_padding(int64_t grid_rows, int64_t grid_cols, ImageSize original) {
  const auto width = static_cast<double>(original.width);
  const auto height = static_cast<double>(original.height);
  const auto cols = static_cast<double>(grid_cols);
  const auto rows = static_cast<double>(grid_rows);
  if (width / height > cols / rows) {
    const int64_t padding = (grid_rows - truncate_rounded(height * (cols / width))) / 2;
    return {padding, grid_rows - 2 * padding, 0, grid_cols};
  }
  const int64_t padding = (grid_cols - truncate_rounded(width * (rows / height))) / 2;
  return {0, grid_rows, padding, grid_cols - 2 * padding};
}

std::vector<TilePatch> pack_patches(int64_t first_tile, int64_t side, int64_t tile_cols, const GridCrop& crop) {
  std::vector<TilePatch> patches;
  patches.reserve(static_cast<size_t>(crop.num_rows * (crop.num_cols + 1)));
  for (int64_t y = crop.first_row; y < crop.first_row + crop.num_rows; ++y) {
    for (int64_t x = crop.first_col; x < crop.first_col + crop.num_cols; ++x) {
      patches.push_back({first_tile + (y / side) * tile_cols + x / side, (y % side) * side + x % side});
    }
    patches.push_back(kNewline);
  }
  return patches;
}

}  // namespace saccade
