// One place where values are kept: memory, a disk, a server. All tiers have this interface; TieredCache stacks them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cache/cache_key.h"
#include "cache/cache_value.h"
#include "saccade/status.h"

namespace saccade {

/// Microseconds since 1970, UTC: wall_time_us(), or a test's. A clock that is set back lets entries live longer by
/// that.
using WallClock = std::function<int64_t()>;

/// When what is put now expires; of no time: never.
int64_t expiry_after(std::optional<double> ttl_ms, const WallClock& clock);

/// Since the tier was made. What a tier can't know, or has not got, stays empty or 0.
struct TierStats {
  std::string name;
  std::optional<uint64_t> num_entries;
  std::optional<uint64_t> num_bytes;  // what the tier takes, its own housekeeping included
  std::optional<uint64_t> max_bytes;

  uint64_t num_hits = 0;
  uint64_t num_misses = 0;          // all that is no hit: expired, corrupt, failed and skipped too
  uint64_t num_puts = 0;            // that succeeded
  uint64_t num_evictions = 0;       // entries that left to make room
  uint64_t num_expired = 0;         // found past their time and dropped
  uint64_t num_corrupt = 0;         // found damaged and dropped
  uint64_t num_errors = 0;          // calls that failed: a full disk, a lost server
  uint64_t num_refused = 0;         // puts of values too large for the tier
  uint64_t num_skipped = 0;         // calls not tried since the tier failed just before
  uint64_t num_dropped_writes = 0;  // puts that a full queue had no room for
};

/// Thread safety: every method from any thread.
class CacheTier {
 public:
  virtual ~CacheTier() = default;

  virtual std::string_view name() const = 0;

  /// Nothing: not there, past its time, or found damaged and dropped. Errors: kIoError (what holds the values fails).
  virtual Expected<std::optional<CacheEntry>> get(const CacheKey& key) = 0;
  /// Replaces what was there. An entry past its time is not kept, which is no error. Errors: kResourceExhausted (larger
  /// than the tier takes), kIoError (disk full, server lost), kOverloaded (too much waits to be written).
  virtual Status put(const CacheKey& key, const CacheEntry& entry) = 0;
  /// Whether or not it was there. Errors: kIoError.
  virtual Status erase(const CacheKey& key) = 0;
  virtual Status clear() = 0;
  /// Returns when what was put before is where it will be found after a restart, in tiers that survive one.
  virtual Status flush() { return {}; }

  virtual TierStats stats() const = 0;
};

}  // namespace saccade
