// LLaVA-1.5 (llava/model pad-to-square, LlavaImageProcessor with do_pad) and CLIP (shortest edge, centre crop).
#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "media/processors.h"
#include "media/resample.h"

namespace saccade {

namespace {

std::array<uint8_t, 3> mean_color(const Normalization& normalization) {
  std::array<uint8_t, 3> color;
  for (size_t c = 0; c < 3; ++c) {
    color[c] = static_cast<uint8_t>(std::clamp(static_cast<double>(normalization.mean[c]) * 255, 0.0, 255.0));
  }
  return color;
}

/// How one side of the decoded pixels is padded to the square around the original.
struct PaddedSide {
  int image_begin;   // on the canvas
  int canvas;        // whole pixels around the square
  double box_begin;  // the square, on the canvas
  double box;
};

PaddedSide pad_side(int square, int original, double begin, int decoded, double reduction) {
  const int border = (square - original) / 2;
  const double padding = border / reduction - begin;  // left of the decoded pixels, in such pixels
  const double box = square / reduction;
  const int image_begin = std::max(0, static_cast<int>(std::ceil(padding)));
  const double box_begin = image_begin - padding;
  const int canvas = std::max(image_begin + decoded, static_cast<int>(std::ceil(box_begin + box)));
  return {image_begin, canvas, box_begin, box};
}

/// The picture in the middle of a square of the mean colour, resized.
void resize_padded(const DecodedImage& decoded, const SquareSpec& spec, ImageSize output, ThreadPool& pool,
                   RowSink sink) {
  const auto& [image, original, reduction, left, top] = decoded;
  const int square = std::max(original.width, original.height);
  const PaddedSide x = pad_side(square, original.width, left, image.width, reduction);
  const PaddedSide y = pad_side(square, original.height, top, image.height, reduction);
  const PaddedImage padded{image, {x.canvas, y.canvas}, x.image_begin, y.image_begin, mean_color(spec.normalization)};
  resample(padded, {x.box_begin, y.box_begin, x.box, y.box}, output, {0, 0, output}, spec.filter, pool, sink);
}

/// The shortest edge to `size`; the other one in proportion, cut to a whole number.
ImageSize shortest_edge_size(ImageSize original, int size) {
  const int64_t shortest = std::min(original.width, original.height);
  return {static_cast<int>(int64_t{size} * original.width / shortest),
          static_cast<int>(int64_t{size} * original.height / shortest)};
}

int round_up_share(int size, int part, int whole) {
  return static_cast<int>((int64_t{size} * part + whole - 1) / whole);
}

}  // namespace

Expected<PixelLayout> plan_tiles(ImageSize original, const SquareSpec& spec) {
  if (!is_spec_side(spec.size)) return invalid_argument(format("picture size %d of the model is no size", spec.size));
  const int longest = std::max(original.width, original.height);
  const ImageSize resized = spec.is_padded ? ImageSize{round_up_share(spec.size, original.width, longest),
                                                       round_up_share(spec.size, original.height, longest)}
                                           : shortest_edge_size(original, spec.size);
  return PixelLayout{.tile = {spec.size, spec.size}, .resized = resized};
}

void make_tiles(const DecodedImage& decoded, const SquareSpec& spec, const PixelLayout& layout, ThreadPool& pool,
                TileWriter& writer) {
  const auto write = [&](int y, const uint8_t* row) { writer.write_row(0, y, row); };
  if (spec.is_padded) {
    resize_padded(decoded, spec, layout.tile, pool, write);
    return;
  }
  const ImageSize resized = layout.resized;
  const Window center{(resized.width - spec.size) / 2, (resized.height - spec.size) / 2, layout.tile};
  const Image& image = decoded.image;
  resample({image, image.size()}, original_box(decoded), resized, center, spec.filter, pool, write);
}

Box tile_box(ImageSize original, const SquareSpec& spec, const PixelLayout& layout, int) {
  if (spec.is_padded) {
    const int square = std::max(original.width, original.height);
    const int left = (square - original.width) / 2;
    const int top = (square - original.height) / 2;
    return {static_cast<double>(-left), static_cast<double>(-top), static_cast<double>(square),
            static_cast<double>(square)};
  }
  const int left = (layout.resized.width - spec.size) / 2;
  const int top = (layout.resized.height - spec.size) / 2;
  const double scale_x = static_cast<double>(original.width) / layout.resized.width;
  const double scale_y = static_cast<double>(original.height) / layout.resized.height;
  return {scale_x * left, scale_y * top, scale_x * spec.size, scale_y * spec.size};
}

}  // namespace saccade
