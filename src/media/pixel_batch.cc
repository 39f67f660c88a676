#include "media/pixel_batch.h"

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

void TileWriter::append(const Image& source, int left, int top) {
  assert(left + tile_.width <= source.width && top + tile_.height <= source.height);
  assert(num_written_ < pixels_.shape()[0]);
  for (int c = 0; c < 3; ++c) {
    const std::array<float, 256>& normalized = normalized_[static_cast<size_t>(c)];
    for (int y = 0; y < tile_.height; ++y) {
      const uint8_t* in = source.pixel(left, top + y) + c;
      float* out = pixels_.row((int64_t{num_written_} * 3 + c) * tile_.height + y).data();
      for (int x = 0; x < tile_.width; ++x) out[x] = normalized[in[static_cast<ptrdiff_t>(x) * 3]];
    }
  }
  ++num_written_;
}

Tensor TileWriter::take() && {
  assert(num_written_ == pixels_.shape()[0]);
  return std::move(pixels_);
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

Expected<PixelBatch> prepare_pixels(const DecodedImage& decoded, const PixelSpec& spec) {
  [[maybe_unused]] const Image& image = decoded.image;
  const ImageSize original = decoded.original;
  assert(image.rgb.size() == static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3);
  SACCADE_ASSIGN_OR_RETURN(const PixelLayout layout, plan_pixels(original, spec));
  try {
    TileWriter writer(layout, std::visit([](const auto& s) { return s.normalization; }, spec));
    std::visit([&](const auto& s) { make_tiles(decoded, s, layout, writer); }, spec);
    return PixelBatch{std::move(writer).take(), layout.grid_rows, layout.grid_cols, layout.has_global_view, original};
  } catch (const std::bad_alloc&) {
    return resource_exhausted(
        format("not enough memory to resize a picture of %d x %d pixels", original.width, original.height));
  }
}

}  // namespace saccade
