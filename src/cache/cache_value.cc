#include "cache/cache_value.h"

#include <xxhash.h>

#include <utility>

namespace saccade {

uint64_t checksum_of(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

CacheValue::CacheValue(std::vector<std::byte> bytes) {
  const auto kept = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  bytes_ = *kept;
  checksum_ = checksum_of(bytes_);
  owner_ = kept;
}

}  // namespace saccade
