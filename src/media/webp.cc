// WebP by libwebp: lossy, lossless, with and without alpha. Animations are refused.
#include <webp/decode.h>

#include <string_view>

#include "base/format.h"
#include "media/codecs.h"
#include "media/color.h"
#include "media/exif.h"

namespace saccade {

namespace {

constexpr size_t kRiffHeaderBytes = 12;  // "RIFF", size, "WEBP"
constexpr size_t kChunkHeaderBytes = 8;

const uint8_t* as_octets(std::span<const std::byte> bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

size_t read_u32(std::span<const std::byte> bytes, size_t offset) {
  size_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= std::to_integer<size_t>(bytes[offset + i]) << (8 * i);
  return value;
}

/// The data of the EXIF chunk; empty where there is none.
std::span<const std::byte> find_exif(std::span<const std::byte> bytes) {
  size_t chunk = kRiffHeaderBytes;
  while (chunk <= bytes.size() && bytes.size() - chunk >= kChunkHeaderBytes) {
    const std::string_view type(reinterpret_cast<const char*>(bytes.data() + chunk), 4);
    const size_t length = read_u32(bytes, chunk + 4);
    if (length > bytes.size() - chunk - kChunkHeaderBytes) break;
    if (type == "EXIF") return bytes.subspan(chunk + kChunkHeaderBytes, length);
    chunk += kChunkHeaderBytes + length + length % 2;
  }
  return {};
}

Status to_status(VP8StatusCode code, size_t num_bytes) {
  switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return resource_exhausted("not enough memory to decode a WebP picture");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return unsupported("WebP picture uses a feature that is not supported");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return corrupt_data(format("WebP picture of %zu bytes ends too early", num_bytes));
    default:
      return corrupt_data(format("WebP picture of %zu bytes is damaged: its bitstream can't be decoded", num_bytes));
  }
}

Expected<WebPBitstreamFeatures> read_features(std::span<const std::byte> bytes) {
  WebPBitstreamFeatures features;
  const VP8StatusCode code = WebPGetFeatures(as_octets(bytes), bytes.size(), &features);
  if (code != VP8_STATUS_OK) return to_status(code, bytes.size());
  return features;
}

}  // namespace

Expected<ImageHeader> read_webp_header(std::span<const std::byte> bytes) {
  const size_t declared_bytes = read_u32(bytes, 4) + 8;
  if (bytes.size() < declared_bytes) {
    return corrupt_data(format("WebP picture ends at byte %zu of %zu", bytes.size(), declared_bytes));
  }
  SACCADE_ASSIGN_OR_RETURN(const WebPBitstreamFeatures features, read_features(bytes));
  if (features.has_animation) {
    return unsupported("WebP picture is an animation; save one frame of it as a picture");
  }
  return ImageHeader{{features.width, features.height}, exif_orientation(find_exif(bytes))};
}

Expected<Image> decode_webp(std::span<const std::byte> bytes, ImageSize stored) {
  SACCADE_ASSIGN_OR_RETURN(const WebPBitstreamFeatures features, read_features(bytes));
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) return unsupported("libwebp is of another version than it was built for");
  const size_t row_bytes = static_cast<size_t>(stored.width) * (features.has_alpha ? 4 : 3);
  Image image{stored.width, stored.height, std::vector<uint8_t>(row_bytes * static_cast<size_t>(stored.height))};
  config.output.colorspace = features.has_alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {image.rgb.data(), static_cast<int>(row_bytes), image.rgb.size()};
  const VP8StatusCode code = WebPDecode(as_octets(bytes), bytes.size(), &config);
  if (code != VP8_STATUS_OK) return to_status(code, bytes.size());
  if (features.has_alpha) compose_on_white(image.rgb);
  return image;
}

}  // namespace saccade
