#include "media/pixel_batch.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <new>

#include "base/format.h"
#include "media/processors.h"

namespace saccade {

namespace {

// Over all tiles of a picture: 400 MB of floats. Idefics3's largest picture has 19 million, Qwen2-VL's 13 million.
constexpr int64_t kMaxTilePixels = int64_t{1} << 25;
constexpr int kMaxTiles = 256;  // published models make at most 26

Status check_normalization(const Normalization& normalization) {
  for (size_t c = 0; c < 3; ++c) {
    const bool is_usable =
        std::isfinite(normalization.mean[c]) && std::isfinite(normalization.std[c]) && normalization.std[c] > 0;
    if (!is_usable) {
      return invalid_argument(format("pixel mean %g and deviation %g of channel %zu can't normalise a picture",
                                     static_cast<double>(normalization.mean[c]),
                                     static_cast<double>(normalization.std[c]), c));
    }
  }
  return {};
}

}  // namespace

TileWriter::TileWriter(const PixelLayout& layout, const Normalization& normalization)
    : tile_(layout.tile), pixels_(Shape{layout.num_tiles, 3, layout.tile.height, layout.tile.width}) {
  for (size_t c = 0; c < 3; ++c) {
    for (size_t value = 0; value < 256; ++value) {
      // Transformers rescales in double and rounds to float before it normalises in float.
      const auto rescaled = static_cast<float>(static_cast<double>(value) * (1.0 / 255.0));
      normalized_[c][value] = (rescaled - normalization.mean[c]) / normalization.std[c];
    }
  }
}

// The table stays in the first cache, where reading it costs no more than the arithmetic would.
void TileWriter::write_row(int tile_idx, int y, const uint8_t* row) {
  const int64_t plane = int64_t{tile_idx} * 3 * tile_.height + y;
  float* red = pixels_.row(plane).data();
  float* green = pixels_.row(plane + tile_.height).data();
  float* blue = pixels_.row(plane + int64_t{2} * tile_.height).data();
  for (int x = 0; x < tile_.width; ++x, row += 3) {
    red[x] = normalized_[0][row[0]];
    green[x] = normalized_[1][row[1]];
    blue[x] = normalized_[2][row[2]];
  }
}

void TileWriter::write_grid_row(int first_tile, int grid_cols, int y, const uint8_t* row) {
  const int tile_idx = first_tile + y / tile_.height * grid_cols;
  for (int col = 0; col < grid_cols; ++col, row += static_cast<ptrdiff_t>(tile_.width) * 3) {
    write_row(tile_idx + col, y % tile_.height, row);
  }
}

Expected<PixelLayout> plan_pixels(ImageSize original, const PixelSpec& spec) {
  if (original.width < 1 || original.height < 1) {
    return invalid_argument(format("picture of %d x %d pixels is empty", original.width, original.height));
  }
  SACCADE_RETURN_IF_ERROR(std::visit([](const auto& s) { return check_normalization(s.normalization); }, spec));
  SACCADE_ASSIGN_OR_RETURN(const PixelLayout layout,
                           std::visit([&](const auto& s) { return plan_tiles(original, s); }, spec));
  if (layout.num_tiles > kMaxTiles) {
    return resource_exhausted(format("picture of %d x %d pixels would become %d tiles, over the limit of %d",
                                     original.width, original.height, layout.num_tiles, kMaxTiles));
  }
  const double num_pixels = static_cast<double>(layout.num_tiles) * layout.tile.width * layout.tile.height;
  if (num_pixels > static_cast<double>(kMaxTilePixels)) {
    return resource_exhausted(
        format("picture of %d x %d pixels would become %d tiles of %d x %d pixels, over the "
               "limit of %s pixels; make it smaller first",
               original.width, original.height, layout.num_tiles, layout.tile.width, layout.tile.height,
               format_count(kMaxTilePixels).c_str()));
  }
  return layout;
}

Box tile_in_picture(ImageSize original, const PixelSpec& spec, const PixelLayout& layout, int tile_idx) {
  assert(tile_idx >= 0 && tile_idx < layout.num_tiles);
  return std::visit([&](const auto& s) { return tile_box(original, s, layout, tile_idx); }, spec);
}

Box cell_in_picture(ImageSize original, const PixelSpec& spec, const PixelLayout& layout, int tile_idx, Window cell) {
  const Box tile = tile_in_picture(original, spec, layout, tile_idx);
  const double scale_x = tile.width / layout.tile.width;
  const double scale_y = tile.height / layout.tile.height;
  const auto within = [](double position, int side) { return std::clamp(position, 0.0, static_cast<double>(side)); };
  const double left = within(tile.left + scale_x * cell.left, original.width);
  const double top = within(tile.top + scale_y * cell.top, original.height);
  const double right = within(tile.left + scale_x * (cell.left + cell.size.width), original.width);
  const double bottom = within(tile.top + scale_y * (cell.top + cell.size.height), original.height);
  return {left, top, right - left, bottom - top};
}

Expected<PixelBatch> prepare_pixels(const DecodedImage& decoded, const PixelSpec& spec, ThreadPool& pool) {
  [[maybe_unused]] const Image& image = decoded.image;
  const ImageSize original = decoded.original;
  assert(image.rgb.size() == static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3);
  SACCADE_ASSIGN_OR_RETURN(const PixelLayout layout, plan_pixels(original, spec));
  try {
    TileWriter writer(layout, std::visit([](const auto& s) { return s.normalization; }, spec));
    std::visit([&](const auto& s) { make_tiles(decoded, s, layout, pool, writer); }, spec);
    return PixelBatch{std::move(writer).take(), layout.grid_rows, layout.grid_cols, layout.has_global_view, original};
  } catch (const std::bad_alloc&) {
    return resource_exhausted(
        format("not enough memory to resize a picture of %d x %d pixels", original.width, original.height));
  }
}

}  // namespace saccade
