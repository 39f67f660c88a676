// Qwen2-VL and Qwen2.5-VL (Qwen2VLImageProcessor; smart_resize).
#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "media/processors.h"
#include "media/resample.h"

namespace saccade {

namespace {

constexpr double kMaxAspect = 200;
// Whatever min_pixels or a bad file asks for; keeps the sides within int.
constexpr double kMaxSide = 1 << 24;

struct Sides {
  double width;
  double height;
};

/// Both sides to the nearest multiple of `factor`, then scaled to fit between the limits. In doubles, as Python.
Sides smart_size(ImageSize original, const DynamicResolutionSpec& spec) {
  const double factor = static_cast<double>(spec.patch_size) * spec.merge_size;
  const double width = original.width;
  const double height = original.height;
  // nearbyint() rounds halves to even, as Python's round() does.
  const Sides nearest{std::nearbyint(width / factor) * factor, std::nearbyint(height / factor) * factor};
  const auto min_pixels = static_cast<double>(spec.min_pixels);
  const auto max_pixels = static_cast<double>(spec.max_pixels);
  if (nearest.width * nearest.height > max_pixels) {
    const double shrink = std::sqrt(height * width / max_pixels);
    return {std::max(factor, std::floor(width / shrink / factor) * factor),
            std::max(factor, std::floor(height / shrink / factor) * factor)};
  }
  if (nearest.width * nearest.height < min_pixels) {
    const double grow = std::sqrt(min_pixels / (height * width));
    return {std::ceil(width * grow / factor) * factor, std::ceil(height * grow / factor) * factor};
  }
  return nearest;
}

}  // namespace

Expected<PixelLayout> plan_tiles(ImageSize original, const DynamicResolutionSpec& spec) {
  if (!is_spec_side(spec.patch_size) || !is_spec_side(spec.merge_size) || spec.min_pixels < 1 ||
      spec.max_pixels < spec.min_pixels) {
    return invalid_argument(format("patch size %d, merge size %d and %lld to %lld pixels of the model make no sense",
                                   spec.patch_size, spec.merge_size, static_cast<long long>(spec.min_pixels),
                                   static_cast<long long>(spec.max_pixels)));
  }
  const double aspect =
      static_cast<double>(std::max(original.width, original.height)) / std::min(original.width, original.height);
  if (aspect > kMaxAspect) {
    return unsupported(
        format("picture of %d x %d pixels is too long for this model: at most %.0f times as long "
               "as wide; crop it",
               original.width, original.height, kMaxAspect));
  }
  const Sides sides = smart_size(original, spec);
  if (sides.width > kMaxSide || sides.height > kMaxSide) {
    return resource_exhausted(format("the model asks for a picture of %.0f x %.0f pixels", sides.width, sides.height));
  }
  const ImageSize size = {static_cast<int>(sides.width), static_cast<int>(sides.height)};
  return PixelLayout{.tile = size, .resized = size};
}

void make_tiles(const DecodedImage& decoded, const DynamicResolutionSpec& spec, const PixelLayout& layout,
                ThreadPool& pool, TileWriter& writer) {
  resize_rows(decoded, layout.tile, spec.filter, pool, [&](int y, const uint8_t* row) { writer.write_row(0, y, row); });
}

Box tile_box(ImageSize original, const DynamicResolutionSpec&, const PixelLayout&, int) {
  return whole_box(original);
}

}  // namespace saccade
