// What a cache did, tier by tier and in all: plain values, for metrics.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/cache_tier.h"

namespace saccade {

struct CacheStats {
  std::vector<TierStats> tiers;  // from the top

  uint64_t num_computed = 0;     // values that were in no tier
  uint64_t num_failed = 0;       // computations that ended with an error, cancelled ones among them
  uint64_t num_shared = 0;       // callers who got what another looked for or computed at the same time
  uint64_t num_gave_up = 0;      // callers who waited no longer for another
  uint64_t num_waiting = 0;      // for another, now
  uint64_t num_undecodable = 0;  // stored bytes, intact, that make no object: dropped and computed again
};

/// Where a value came from.
enum class CacheSource : uint8_t {
  kTier,      // it was there
  kComputed,  // by this caller
  kShared,    // another caller looked for it or computed it at the same time
};

}  // namespace saccade
