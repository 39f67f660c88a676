// LLaVA-1.5 (llava/model pad-to-square, LlavaImageProcessor with do_pad) and CLIP (shortest edge, centre crop).
#include <algorithm>

#include "base/format.h"
#include "media/processors.h"
#include "media/resample.h"

namespace saccade {

namespace {

/// The picture in the middle of a square of the mean colour.
PaddedImage pad_to_square(const Image& image, const Normalization& normalization) {
  const int side = std::max(image.width, image.height);
  PaddedImage padded{image, {side, side}, (side - image.width) / 2, (side - image.height) / 2};
  for (size_t c = 0; c < 3; ++c) {
    padded.color[c] = static_cast<uint8_t>(std::clamp(static_cast<double>(normalization.mean[c]) * 255, 0.0, 255.0));
  }
  return padded;
}

/// The shortest edge to `size`; the other one in proportion, cut to a whole number.
ImageSize shortest_edge_size(ImageSize original, int size) {
  const int64_t shortest = std::min(original.width, original.height);
  return {static_cast<int>(int64_t{size} * original.width / shortest),
          static_cast<int>(int64_t{size} * original.height / shortest)};
}

}  // namespace

Expected<PixelLayout> plan_tiles(ImageSize, const SquareSpec& spec) {
  if (!is_spec_side(spec.size)) return invalid_argument(format("picture size %d of the model is no size", spec.size));
  return PixelLayout{.tile = {spec.size, spec.size}};
}

void make_tiles(const Image& image, const SquareSpec& spec, const PixelLayout& layout, TileWriter& writer) {
  if (spec.is_padded) {
    writer.append(resample(pad_to_square(image, spec.normalization), layout.tile, {0, 0, layout.tile}, spec.filter));
    return;
  }
  const ImageSize resized = shortest_edge_size(image.size(), spec.size);
  const Window center{(resized.width - spec.size) / 2, (resized.height - spec.size) / 2, layout.tile};
  writer.append(resample({image, image.size()}, resized, center, spec.filter));
}

}  // namespace saccade
