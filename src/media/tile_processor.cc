// SmolVLM and Idefics3 (SmolVLMImageProcessor, Idefics3ImageProcessor; the two differ in their sizes alone).
#include <algorithm>
#include <cstring>

#include "base/format.h"
#include "media/processors.h"
#include "media/resample.h"

namespace saccade {

namespace {

constexpr int kMaxEdge = 4096;  // MAX_IMAGE_SIZE of the processors, whatever longest_edge says

/// The longest edge to `edge`, the other one in proportion and even.
ImageSize longest_edge_size(ImageSize original, int edge) {
  const double aspect = static_cast<double>(original.width) / original.height;
  if (original.width >= original.height) {
    const int height = static_cast<int>(edge / aspect);
    return {edge, std::max(height + height % 2, 1)};
  }
  const int width = static_cast<int>(edge * aspect);
  return {std::max(width + width % 2, 1), edge};
}

ImageSize below_max_edge(ImageSize size) {
  if (std::max(size.width, size.height) <= kMaxEdge) return size;
  const double aspect = static_cast<double>(size.width) / size.height;
  if (size.width >= size.height) return {kMaxEdge, std::max(static_cast<int>(kMaxEdge / aspect), 1)};
  return {std::max(static_cast<int>(kMaxEdge * aspect), 1), kMaxEdge};
}

ImageSize first_size(ImageSize original, const TileSpec& spec) {
  if (!spec.is_enlarged && std::max(original.width, original.height) <= spec.longest_edge) return original;
  return below_max_edge(longest_edge_size(original, spec.longest_edge));
}

int round_up(int value, int multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Both sides up to multiples of the tile: the longer first, the shorter then in proportion to that.
ImageSize whole_tiles_size(ImageSize size, int tile) {
  const double aspect = static_cast<double>(size.width) / size.height;
  if (size.width >= size.height) {
    const int width = round_up(size.width, tile);
    return {width, round_up(static_cast<int>(width / aspect), tile)};
  }
  const int height = round_up(size.height, tile);
  return {round_up(static_cast<int>(height * aspect), tile), height};
}

}  // namespace

Expected<PixelLayout> plan_tiles(ImageSize original, const TileSpec& spec) {
  if (!is_spec_side(spec.tile_size) || !is_spec_side(spec.longest_edge)) {
    return invalid_argument(
        format("tile size %d or longest edge %d of the model is no size", spec.tile_size, spec.longest_edge));
  }
  PixelLayout layout{.tile = {spec.tile_size, spec.tile_size}, .resized = first_size(original, spec)};
  if (!spec.is_split) return layout;
  const ImageSize whole = whole_tiles_size(layout.resized, spec.tile_size);
  layout.grid_rows = whole.height / spec.tile_size;
  layout.grid_cols = whole.width / spec.tile_size;
  layout.has_global_view = layout.grid_rows > 1 || layout.grid_cols > 1;
  layout.num_tiles = layout.grid_rows * layout.grid_cols + (layout.has_global_view ? 1 : 0);
  return layout;
}

void make_tiles(const DecodedImage& decoded, const TileSpec& spec, const PixelLayout& layout, ThreadPool& pool,
                TileWriter& writer) {
  const auto write_to = [&](int tile_idx) {
    return [&writer, tile_idx](int y, const uint8_t* row) { writer.write_row(tile_idx, y, row); };
  };
  if (!spec.is_split) {
    const DecodedImage first = at_full_size(resize(decoded, layout.resized, spec.filter, pool));
    resize_rows(first, layout.tile, spec.filter, pool, write_to(0));
    return;
  }
  const ImageSize whole_size = {layout.grid_cols * spec.tile_size, layout.grid_rows * spec.tile_size};
  Image whole = make_image(whole_size);
  const auto write_grid = [&](int y, const uint8_t* row) {
    std::memcpy(whole.pixel(0, y), row, static_cast<size_t>(whole.width) * 3);
    writer.write_grid_row(0, layout.grid_cols, y, row);
  };
  if (layout.resized == whole_size) {
    resize_rows(decoded, whole_size, spec.filter, pool, write_grid);
  } else {
    const DecodedImage first = at_full_size(resize(decoded, layout.resized, spec.filter, pool));
    resize_rows(first, whole_size, spec.filter, pool, write_grid);
  }
  if (!layout.has_global_view) return;
  resize_rows(at_full_size(std::move(whole)), layout.tile, spec.filter, pool, write_to(layout.num_tiles - 1));
}

Box tile_box(ImageSize original, const TileSpec&, const PixelLayout& layout, int tile_idx) {
  if (layout.has_global_view && tile_idx + 1 == layout.num_tiles) return whole_box(original);
  return grid_tile_box(whole_box(original), layout.grid_rows, layout.grid_cols, tile_idx);
}

}  // namespace saccade
