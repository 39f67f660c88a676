// Bytes in memory, least recently or least often used out first. Survives nothing.
#pragma once

#include <string>
#include <string_view>

#include "cache/cache_tier.h"
#include "cache/memory_cache.h"

namespace saccade {

/// Hands out the bytes that were put, without a copy.
class MemoryTier : public CacheTier {
 public:
  MemoryTier(std::string name, MemoryCacheOptions options) : name_(std::move(name)), cache_(std::move(options)) {}

  std::string_view name() const override { return name_; }
  Expected<std::optional<CacheEntry>> get(const CacheKey& key) override;
  Status put(const CacheKey& key, const CacheEntry& entry) override;
  Status erase(const CacheKey& key) override;
  Status clear() override;
  TierStats stats() const override;

 private:
  const std::string name_;
  MemoryCache<CacheValue> cache_;
};

}  // namespace saccade
