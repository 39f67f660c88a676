#include "cache/memory_tier.h"

#include <utility>

#include "base/format.h"

namespace saccade {

Expected<std::optional<CacheEntry>> MemoryTier::get(const CacheKey& key) {
  auto found = cache_.get(key);
  if (!found) return std::optional<CacheEntry>();
  if (!found->value.is_intact()) {  // memory fails too, and code may write where it should not
    cache_.drop_corrupt(key);
    return std::optional<CacheEntry>();
  }
  return std::optional(CacheEntry{std::move(found->value), found->expires_at_us});
}

Status MemoryTier::put(const CacheKey& key, const CacheEntry& entry) {
  const int64_t num_bytes = entry.value.num_bytes();
  if (cache_.put(key, entry.value, num_bytes, entry.expires_at_us)) return {};
  const uint64_t max_bytes = *cache_.stats().max_bytes;
  if (static_cast<uint64_t>(num_bytes + MemoryCache<CacheValue>::kOverheadBytes) <= max_bytes)
    return {};  // past its time
  return resource_exhausted(name_ + " cache: a value of " + format_bytes(static_cast<uint64_t>(num_bytes)) +
                            " is larger than all of it (" + format_bytes(max_bytes) + "); give it more bytes");
}

Status MemoryTier::erase(const CacheKey& key) {
  cache_.erase(key);
  return {};
}

Status MemoryTier::clear() {
  cache_.clear();
  return {};
}

TierStats MemoryTier::stats() const {
  TierStats stats = cache_.stats();
  stats.name = name_;
  return stats;
}

}  // namespace saccade
