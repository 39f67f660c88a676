#include "media/image.h"

#include <new>

#include "base/format.h"
#include "media/codecs.h"
#include "media/image_format.h"
#include "media/orientation.h"

namespace saccade {

namespace {

Expected<ImageHeader> read_header(std::span<const std::byte> bytes, ImageFormat image_format) {
  switch (image_format) {
    case ImageFormat::kJpeg:
      return read_jpeg_header(bytes);
    case ImageFormat::kPng:
      return read_png_header(bytes);
    case ImageFormat::kWebp:
      return read_webp_header(bytes);
  }
  return unsupported("unknown picture format");
}

Expected<Image> decode(std::span<const std::byte> bytes, ImageFormat image_format, ImageSize stored) {
  switch (image_format) {
    case ImageFormat::kJpeg:
      return decode_jpeg(bytes, stored);
    case ImageFormat::kPng:
      return decode_png(bytes, stored);
    case ImageFormat::kWebp:
      return decode_webp(bytes, stored);
  }
  return unsupported("unknown picture format");
}

Status check_limits(ImageSize size, const ImageLimits& limits) {
  const uint64_t num_pixels = static_cast<uint64_t>(size.width) * static_cast<uint64_t>(size.height);
  if (size.width > limits.max_side || size.height > limits.max_side) {
    return resource_exhausted(format("picture of %d x %d pixels is over the limit of %d a side; make it smaller first",
                                     size.width, size.height, limits.max_side));
  }
  if (num_pixels > limits.max_pixels) {
    return resource_exhausted(format("picture of %d x %d pixels is over the limit of %s pixels; make it smaller first",
                                     size.width, size.height, format_count(limits.max_pixels).c_str()));
  }
  return {};
}

}  // namespace

Image make_image(ImageSize size) {
  const size_t num_pixels = static_cast<size_t>(size.width) * static_cast<size_t>(size.height);
  return {size.width, size.height, std::vector<uint8_t>(num_pixels * 3)};
}

Expected<ImageInfo> probe_image(std::span<const std::byte> bytes, const ImageLimits& limits) {
  if (bytes.size() > limits.max_file_bytes) {
    return resource_exhausted(format("picture file of %s is over the limit of %s", format_bytes(bytes.size()).c_str(),
                                     format_bytes(limits.max_file_bytes).c_str()));
  }
  SACCADE_ASSIGN_OR_RETURN(const ImageFormat image_format, identify_image(bytes));
  SACCADE_ASSIGN_OR_RETURN(const ImageHeader header, read_header(bytes, image_format));
  SACCADE_RETURN_IF_ERROR(check_limits(header.stored, limits));
  const ImageSize shown = oriented_size(header.stored, header.exif_orientation);
  return ImageInfo{image_format, shown.width, shown.height, header.exif_orientation};
}

Expected<Image> decode_image(std::span<const std::byte> bytes, const ImageLimits& limits) {
  SACCADE_ASSIGN_OR_RETURN(const ImageInfo info, probe_image(bytes, limits));
  const ImageSize stored = oriented_size({info.width, info.height}, info.exif_orientation);
  try {
    SACCADE_ASSIGN_OR_RETURN(Image image, decode(bytes, info.format, stored));
    return apply_orientation(std::move(image), info.exif_orientation);
  } catch (const std::bad_alloc&) {
    return resource_exhausted(format("not enough memory for a picture of %d x %d pixels", info.width, info.height));
  }
}

}  // namespace saccade
