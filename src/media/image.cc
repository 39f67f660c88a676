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

Expected<Image> decode(std::span<const std::byte> bytes, ImageFormat image_format, ImageSize stored, int reduction) {
  switch (image_format) {
    case ImageFormat::kJpeg:
      return decode_jpeg(bytes, stored, reduction);
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

// libjpeg-turbo has other eighths too, but its vector code is for these; the others take longer than the whole
// picture (docs/decisions/jpegs_are_decoded_small.md).
int reduction_for(const ImageInfo& info, ImageSize smallest) {
  if (info.format != ImageFormat::kJpeg) return 1;
  int reduction = 8;
  while (reduction > 1 && (info.width / reduction < smallest.width || info.height / reduction < smallest.height)) {
    reduction /= 2;
  }
  return reduction;
}

Expected<DecodedImage> decode(std::span<const std::byte> bytes, const ImageInfo& info, int reduction) {
  const ImageSize original = {info.width, info.height};
  const int orientation = info.exif_orientation;
  try {
    SACCADE_ASSIGN_OR_RETURN(Image stored, decode(bytes, info.format, oriented_size(original, orientation), reduction));
    DecodedImage decoded = {apply_orientation(std::move(stored), orientation), original, reduction};
    const double factor = reduction;
    if (has_far_edge_left(orientation)) decoded.left = decoded.image.width - original.width / factor;
    if (has_far_edge_on_top(orientation)) decoded.top = decoded.image.height - original.height / factor;
    return decoded;
  } catch (const std::bad_alloc&) {
    return resource_exhausted(format("not enough memory for a picture of %d x %d pixels", info.width, info.height));
  }
}

}  // namespace

DecodedImage at_full_size(Image image) {
  const ImageSize size = image.size();
  return {std::move(image), size};
}

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
  SACCADE_ASSIGN_OR_RETURN(DecodedImage decoded, decode(bytes, info, /*reduction=*/1));
  return std::move(decoded.image);
}

Expected<DecodedImage> decode_reduced(std::span<const std::byte> bytes, ImageSize smallest, const ImageLimits& limits) {
  SACCADE_ASSIGN_OR_RETURN(const ImageInfo info, probe_image(bytes, limits));
  return decode(bytes, info, reduction_for(info, smallest));
}

}  // namespace saccade
