// One reader per file format: the header alone, and the pixels as they are stored (orientation not yet applied).
// Called by image.cc, which has checked the limits before it calls a decode function.
#pragma once

#include <cstddef>
#include <span>

#include "media/image.h"
#include "saccade/status.h"

namespace saccade {

struct ImageHeader {
  ImageSize stored;
  int exif_orientation = 1;
};

Expected<ImageHeader> read_jpeg_header(std::span<const std::byte> bytes);
Expected<ImageHeader> read_png_header(std::span<const std::byte> bytes);
Expected<ImageHeader> read_webp_header(std::span<const std::byte> bytes);

/// `stored` is the size that the header gave and the limits were checked for.
Expected<Image> decode_png(std::span<const std::byte> bytes, ImageSize stored);
Expected<Image> decode_webp(std::span<const std::byte> bytes, ImageSize stored);
/// Both sides come divided by `reduction` (1, 2, 4 or 8) and rounded up.
Expected<Image> decode_jpeg(std::span<const std::byte> bytes, ImageSize stored, int reduction);

}  // namespace saccade
