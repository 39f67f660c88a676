// LLaVA-1.6 (LlavaNextImageProcessor).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/format.h"
#include "media/processors.h"
#include "media/resample.h"

namespace saccade {

namespace {

/// The pinpoint that keeps the most of the picture's pixels, and among those wastes the fewest of its own.
ImageSize best_resolution(ImageSize original, const std::vector<ImageSize>& pinpoints) {
  const int64_t num_original = int64_t{original.width} * original.height;
  ImageSize best;
  int64_t max_effective = -1;
  int64_t min_wasted = std::numeric_limits<int64_t>::max();
  for (const ImageSize& pinpoint : pinpoints) {
    const double scale = std::min(static_cast<double>(pinpoint.width) / original.width,
                                  static_cast<double>(pinpoint.height) / original.height);
    const auto width = static_cast<int64_t>(original.width * scale);
    const auto height = static_cast<int64_t>(original.height * scale);
    const int64_t effective = std::min(width * height, num_original);
    const int64_t wasted = int64_t{pinpoint.width} * pinpoint.height - effective;
    if (effective > max_effective || (effective == max_effective && wasted < min_wasted)) {
      max_effective = effective;
      min_wasted = wasted;
      best = pinpoint;
    }
  }
  return best;
}

/// The largest size of the picture's proportions within `target`.
ImageSize fitted_size(ImageSize original, ImageSize target) {
  const double scale_x = static_cast<double>(target.width) / original.width;
  const double scale_y = static_cast<double>(target.height) / original.height;
  if (scale_x < scale_y) {
    return {target.width, std::min(static_cast<int>(std::ceil(original.height * scale_x)), target.height)};
  }
  return {std::min(static_cast<int>(std::ceil(original.width * scale_y)), target.width), target.height};
}

}  // namespace

Expected<PixelLayout> plan_tiles(ImageSize original, const AnyResolutionSpec& spec) {
  if (!is_spec_side(spec.size)) return invalid_argument(format("picture size %d of the model is no size", spec.size));
  if (!spec.is_split) return PixelLayout{.tile = {spec.size, spec.size}, .resized = {spec.size, spec.size}};
  if (spec.pinpoints.empty()) return invalid_argument("the model names no grid pinpoints to fit a picture to");
  for (const ImageSize& pinpoint : spec.pinpoints) {
    const bool is_grid = is_spec_side(pinpoint.width) && is_spec_side(pinpoint.height) &&
                         pinpoint.width % spec.size == 0 && pinpoint.height % spec.size == 0;
    if (!is_grid) {
      return invalid_argument(format("grid pinpoint %d x %d of the model is not a grid of %d x %d tiles",
                                     pinpoint.width, pinpoint.height, spec.size, spec.size));
    }
  }
  const ImageSize best = best_resolution(original, spec.pinpoints);
  const int rows = best.height / spec.size;
  const int cols = best.width / spec.size;
  const ImageSize fitted = fitted_size(original, best);
  const ImageSize resized = {std::max(fitted.width, spec.size), std::max(fitted.height, spec.size)};
  return PixelLayout{rows * cols + 1, rows, cols, true, {spec.size, spec.size}, resized};
}

void make_tiles(const DecodedImage& decoded, const AnyResolutionSpec& spec, const PixelLayout& layout, ThreadPool& pool,
                TileWriter& writer) {
  resize_rows(decoded, layout.tile, spec.filter, pool, [&](int y, const uint8_t* row) { writer.write_row(0, y, row); });
  if (!spec.is_split) return;
  const ImageSize canvas{layout.grid_cols * spec.size, layout.grid_rows * spec.size};
  const ImageSize fitted = fitted_size(decoded.original, canvas);
  const int left = (canvas.width - fitted.width) / 2;
  const int top = (canvas.height - fitted.height) / 2;
  const auto row_bytes = static_cast<size_t>(canvas.width) * 3;
  const std::vector<uint8_t> black(row_bytes);
  for (int y = 0; y < canvas.height; ++y) {
    if (y < top || y >= top + fitted.height) writer.write_grid_row(1, layout.grid_cols, y, black.data());
  }
  resize_rows(decoded, fitted, spec.filter, pool, [&](int y, const uint8_t* row) {
    std::vector<uint8_t> centered(row_bytes);
    std::memcpy(centered.data() + static_cast<size_t>(left) * 3, row, static_cast<size_t>(fitted.width) * 3);
    writer.write_grid_row(1, layout.grid_cols, top + y, centered.data());
  });
}

Box tile_box(ImageSize original, const AnyResolutionSpec& spec, const PixelLayout& layout, int tile_idx) {
  if (tile_idx == 0) return whole_box(original);
  const ImageSize canvas{layout.grid_cols * spec.size, layout.grid_rows * spec.size};
  const ImageSize fitted = fitted_size(original, canvas);
  const int left = (canvas.width - fitted.width) / 2;
  const int top = (canvas.height - fitted.height) / 2;
  const double scale_x = static_cast<double>(original.width) / fitted.width;
  const double scale_y = static_cast<double>(original.height) / fitted.height;
  const Box box{-scale_x * left, -scale_y * top, scale_x * canvas.width, scale_y * canvas.height};
  return grid_tile_box(box, layout.grid_rows, layout.grid_cols, tile_idx - 1);
}

}  // namespace saccade
