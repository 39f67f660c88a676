// SmolVLM and Idefics3 (SmolVLMImageProcessor, Idefics3ImageProcessor; the two differ in their sizes alone).
#include <algorithm>

#include "base/format.h"
#include "media/processors.h"

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

void make_tiles(const DecodedImage& decoded, const TileSpec& spec, const PixelLayout& layout, TileWriter& writer) {
  const int tile = spec.tile_size;
  Image resized = resize(decoded, layout.resized, spec.filter);
  if (!spec.is_split) {
    writer.append(resize(resized, tile, tile, spec.filter));
    return;
  }
  resized = resize(resized, layout.grid_cols * tile, layout.grid_rows * tile, spec.filter);
  for (int row = 0; row < layout.grid_rows; ++row) {
    for (int col = 0; col < layout.grid_cols; ++col) writer.append(resized, col * tile, row * tile);
  }
  if (layout.has_global_view) writer.append(resize(resized, tile, tile, spec.filter));
}

}  // namespace saccade
