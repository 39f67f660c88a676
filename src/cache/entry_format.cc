#include "cache/entry_format.h"

#include <bit>
#include <cstring>
#include <utility>

#include "base/format.h"

namespace saccade {
namespace {

static_assert(std::endian::native == std::endian::little, "fields are copied as they lie in memory");

constexpr uint32_t kSignature = 0x00454353;  // "SCE", and a byte for the version
constexpr uint32_t kSignatureMask = 0x00FFFFFF;
constexpr uint32_t kVersion = 1;

struct Header {
  uint32_t signature = kSignature | kVersion << 24;
  uint32_t zero = 0;
  int64_t expires_at_us = 0;
  uint64_t num_bytes = 0;
  uint64_t value_checksum = 0;
  uint64_t header_checksum = 0;
};
static_assert(sizeof(Header) == kEntryHeaderBytes);

uint64_t header_checksum(const CacheKey& key, const Header& header) {
  std::array<std::byte, sizeof(key.bytes) + offsetof(Header, header_checksum)> bytes;
  std::memcpy(bytes.data(), key.bytes.data(), sizeof(key.bytes));
  std::memcpy(bytes.data() + sizeof(key.bytes), &header, offsetof(Header, header_checksum));
  return checksum_of(bytes);
}

}  // namespace

std::array<std::byte, kEntryHeaderBytes> make_entry_header(const CacheKey& key, const CacheEntry& entry) {
  Header header;
  header.expires_at_us = entry.expires_at_us;
  header.num_bytes = static_cast<uint64_t>(entry.value.num_bytes());
  header.value_checksum = entry.value.checksum();
  header.header_checksum = header_checksum(key, header);
  std::array<std::byte, kEntryHeaderBytes> bytes;
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

Expected<CacheEntry> read_entry(const CacheKey& key, std::span<const std::byte> stored,
                                std::shared_ptr<const void> owner) {
  Header header;
  if (stored.size() < sizeof(header)) {
    return corrupt_data(format("a cached entry of %zu bytes, shorter than its header", stored.size()));
  }
  std::memcpy(&header, stored.data(), sizeof(header));
  if ((header.signature & kSignatureMask) != kSignature) return corrupt_data("a cached entry does not begin as one");
  if (const uint32_t version = header.signature >> 24; version != kVersion) {
    return unsupported(format("a cached entry of version %u; this program knows version %u", version, kVersion));
  }
  if (header.header_checksum != header_checksum(key, header)) {
    return corrupt_data("a cached entry's header does not match its checksum, or stands under another's key");
  }
  const std::span<const std::byte> bytes = stored.subspan(sizeof(header));
  if (bytes.size() != header.num_bytes) {
    return corrupt_data(format("a cached entry has %zu bytes where %llu were stored", bytes.size(),
                               static_cast<unsigned long long>(header.num_bytes)));
  }
  CacheValue value(std::move(owner), bytes, header.value_checksum);
  if (!value.is_intact()) return corrupt_data("a cached entry's bytes do not match their checksum");
  return CacheEntry{std::move(value), header.expires_at_us};
}

}  // namespace saccade
