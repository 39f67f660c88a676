// Tiers, fastest first, as one cache of bytes. Objects that the engine computes from: object_cache.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/function_ref.h"
#include "cache/cache_key.h"
#include "cache/cache_stats.h"
#include "cache/cache_tier.h"
#include "cache/single_flight.h"
#include "saccade/status.h"

namespace saccade {

enum class Promotion : uint8_t {
  kAllAbove,   // what is found goes into all tiers above
  kNextAbove,  // into the next one: what is asked for once does not come to the top
  kNone,
};

struct TieredCacheOptions {
  Promotion promotion = Promotion::kAllAbove;
  std::optional<double> ttl_ms = std::nullopt;  // of values that are put without one; nothing: they do not expire
  WallClock clock = wall_time_us;
};

struct CacheFound {
  CacheEntry entry;
  CacheSource source = CacheSource::kTier;
  size_t tier_idx = 0;  // of kTier
};

/// A tier that fails is one without values: its errors are counted in its stats and reach nobody. Slow tiers should be
/// WriteBehindTiers. Thread safety: any thread.
class TieredCache {
 public:
  TieredCache(std::vector<std::unique_ptr<CacheTier>> tiers, TieredCacheOptions options = {});

  std::optional<CacheFound> get(const CacheKey& key);
  /// Into all tiers.
  void put(const CacheKey& key, CacheValue value, std::optional<double> ttl_ms = std::nullopt);
  void put_until(const CacheKey& key, CacheValue value, int64_t expires_at_us);

  /// What is there, or else what `compute` makes, which is put. Of callers of one key at the same time one looks and
  /// computes, and all have its value; where it fails, or is cancelled, the error is its own and the next one computes.
  /// Errors: those of `compute`; while another computes, those of SingleFlight::run().
  Expected<CacheFound> get_or_compute(const CacheKey& key, FunctionRef<Expected<CacheValue>()> compute,
                                      const WaitLimits& limits = {}, std::optional<double> ttl_ms = std::nullopt);

  void erase(const CacheKey& key);
  /// Of all tiers, the first error.
  Status clear();
  Status flush();

  CacheStats stats() const;

 private:
  int64_t expires_at_us(std::optional<double> ttl_ms) const;
  std::optional<CacheFound> look(const CacheKey& key, size_t first_tier, size_t end_tier);
  void put_into(const CacheKey& key, const CacheEntry& entry, size_t first_tier, size_t end_tier);

  const std::vector<std::unique_ptr<CacheTier>> tiers_;
  const TieredCacheOptions options_;
  SingleFlight<CacheFound> flight_;
  std::atomic<uint64_t> num_computed_ = 0;
};

}  // namespace saccade
