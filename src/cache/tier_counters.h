// The counts of a tier that has no lock of its own around them.
#pragma once

#include <atomic>
#include <cstdint>

#include "cache/cache_tier.h"

namespace saccade {

struct TierCounters {
  std::atomic<uint64_t> num_hits = 0;
  std::atomic<uint64_t> num_misses = 0;
  std::atomic<uint64_t> num_puts = 0;
  std::atomic<uint64_t> num_evictions = 0;
  std::atomic<uint64_t> num_expired = 0;
  std::atomic<uint64_t> num_corrupt = 0;
  std::atomic<uint64_t> num_errors = 0;
  std::atomic<uint64_t> num_refused = 0;
  std::atomic<uint64_t> num_skipped = 0;
  std::atomic<uint64_t> num_dropped_writes = 0;

  /// Into the fields of the same names.
  void tell(TierStats& stats) const {
    stats.num_hits = num_hits;
    stats.num_misses = num_misses;
    stats.num_puts = num_puts;
    stats.num_evictions = num_evictions;
    stats.num_expired = num_expired;
    stats.num_corrupt = num_corrupt;
    stats.num_errors = num_errors;
    stats.num_refused = num_refused;
    stats.num_skipped = num_skipped;
    stats.num_dropped_writes = num_dropped_writes;
  }
};

}  // namespace saccade
