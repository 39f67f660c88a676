// Picture files to RGB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "saccade/status.h"

namespace saccade {

struct ImageSize {
  int width = 0;
  int height = 0;
  bool operator==(const ImageSize&) const = default;
};

/// A part of a picture, in whole pixels.
struct Window {
  int left = 0;
  int top = 0;
  ImageSize size;
  bool operator==(const Window&) const = default;
};

/// A part of a picture or of a canvas around it, in pixels; it may begin and end within one.
struct Box {
  double left = 0;
  double top = 0;
  double width = 0;
  double height = 0;
};

struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3]

  const uint8_t* pixel(int x, int y) const {
    return rgb.data() + (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) * 3;
  }
  uint8_t* pixel(int x, int y) { return const_cast<uint8_t*>(std::as_const(*this).pixel(x, y)); }
  ImageSize size() const { return {width, height}; }
};

/// A picture decoded at its own size or, a JPEG that will be shrunk anyway, at a part of it.
struct DecodedImage {
  Image image;
  ImageSize original;  // what the header says, orientation applied
  int reduction = 1;   // how many of the original's pixels are one along a side: 1, 2, 4 or 8
  // Where the original begins in `image`, in its pixels. A side that is no multiple of `reduction` ends within a pixel;
  // of a picture that is turned or mirrored that may be the side it begins with.
  double left = 0;
  double top = 0;
};

/// A picture that was not reduced.
DecodedImage at_full_size(Image image);

/// A picture of this size, all black.
Image make_image(ImageSize size);

struct ImageLimits {
  uint64_t max_file_bytes = 64ull << 20;
  uint64_t max_pixels = 100'000'000;  // width * height, checked before anything is decoded
  int max_side = 30'000;
};

enum class ImageFormat : uint8_t { kJpeg, kPng, kWebp };

struct ImageInfo {
  ImageFormat format = ImageFormat::kJpeg;
  int width = 0;  // as shown, EXIF orientation applied
  int height = 0;
  int exif_orientation = 1;  // 1..8
};

/// Reads the header only. The format is decided by the bytes, not by a file name.
/// Errors: kUnsupported (not JPEG, PNG or WebP: says what it looks like; an animated WebP), kCorruptData,
/// kResourceExhausted (over a limit).
Expected<ImageInfo> probe_image(std::span<const std::byte> bytes, const ImageLimits& limits = {});

/// Decodes to RGB: EXIF orientation applied, alpha composed on white, 16-bit scaled to 8, grey and CMYK converted.
/// Limits are checked before decoding. A truncated picture is an error (kCorruptData), not half a picture.
Expected<Image> decode_image(std::span<const std::byte> bytes, const ImageLimits& limits = {});

/// The same for a picture that is to be resized to a size within `smallest`: a JPEG comes at the least 1/2, 1/4 or 1/8
/// of its size that is no smaller than `smallest` on either side, which takes a fraction of the time; other formats,
/// and what is not large enough for that, come at full size. The limits are those of the full size.
Expected<DecodedImage> decode_reduced(std::span<const std::byte> bytes, ImageSize smallest,
                                      const ImageLimits& limits = {});

}  // namespace saccade
