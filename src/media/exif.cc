#include "media/exif.h"

#include <cstdint>
#include <cstring>
#include <optional>

namespace saccade {

namespace {

// TIFF 6.0, sections 2 and 8.
constexpr uint16_t kMagic = 42;
constexpr uint16_t kOrientationTag = 0x0112;
constexpr uint16_t kShortType = 3;
constexpr uint16_t kLongType = 4;
constexpr size_t kEntryBytes = 12;

/// Reads integers at any offset, in the file's own byte order; nothing beyond the end.
class TiffReader {
 public:
  TiffReader(std::span<const std::byte> bytes, bool is_little_endian)
      : bytes_(bytes), is_little_endian_(is_little_endian) {}

  std::optional<uint32_t> read(size_t offset, size_t num_bytes) const {
    if (offset > bytes_.size() || num_bytes > bytes_.size() - offset) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < num_bytes; ++i) {
      const size_t significance = is_little_endian_ ? i : num_bytes - 1 - i;
      value |= std::to_integer<uint32_t>(bytes_[offset + i]) << (8 * significance);
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool is_little_endian_;
};

bool starts_with(std::span<const std::byte> bytes, const char* text, size_t length) {
  return bytes.size() >= length && std::memcmp(bytes.data(), text, length) == 0;
}

}  // namespace

int exif_orientation(std::span<const std::byte> exif) {
  if (starts_with(exif, "Exif\0\0", 6)) exif = exif.subspan(6);
  const bool is_little_endian = starts_with(exif, "II", 2);
  if (!is_little_endian && !starts_with(exif, "MM", 2)) return 1;
  const TiffReader tiff(exif, is_little_endian);
  if (tiff.read(2, 2) != kMagic) return 1;
  const std::optional<uint32_t> directory = tiff.read(4, 4);
  const std::optional<uint32_t> num_entries = directory ? tiff.read(*directory, 2) : std::nullopt;
  if (!num_entries) return 1;
  for (size_t i = 0; i < *num_entries; ++i) {
    const size_t entry = size_t{*directory} + 2 + i * kEntryBytes;
    const std::optional<uint32_t> tag = tiff.read(entry, 2);
    if (!tag) return 1;
    if (*tag != kOrientationTag) continue;
    const std::optional<uint32_t> type = tiff.read(entry + 2, 2);
    if (type != kShortType && type != kLongType) return 1;
    const uint32_t value = tiff.read(entry + 8, type == kShortType ? 2 : 4).value_or(1);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace saccade
