// Bytes on a Redis server that several machines share. Optional: nothing depends on its being there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cache/backoff.h"
#include "cache/cache_tier.h"
#include "saccade/status.h"

namespace saccade {

struct RedisTierOptions {
  std::string name = "redis";
  std::string url;                        // parse_redis_url()
  std::string key_prefix = "saccade:1:";  // of the keys on the server
  // A request waits for no longer than these two, once, before the tier is left alone for a while.
  double connect_timeout_ms = 5;
  double timeout_ms = 20;         // of get()
  double write_timeout_ms = 500;  // of put() and erase(): for which no request should wait (WriteBehindTier)
  /// What the network carries within timeout_ms, at most: a value that takes longer counts as a failure of the server.
  int64_t max_value_bytes = 8 << 20;
  int max_idle_connections = 4;  // kept for the next calls
  BackoffOptions backoff = {};   // after a failure
  WallClock clock = wall_time_us;
};

/// Values have a header with a checksum, so that what others write under our keys is never handed out; the server is
/// told when they expire. How much it keeps is its own `maxmemory`.
class RedisTier : public CacheTier {
 public:
  /// Does not connect: a server may come later. Its host's address is looked up here, and never again. Errors: those of
  /// parse_redis_url(), kNotFound (no such host).
  static Expected<std::unique_ptr<RedisTier>> make(RedisTierOptions options);
  ~RedisTier() override;

  std::string_view name() const override;
  /// Nothing, too, while the tier is left alone (num_skipped).
  Expected<std::optional<CacheEntry>> get(const CacheKey& key) override;
  Status put(const CacheKey& key, const CacheEntry& entry) override;
  Status erase(const CacheKey& key) override;
  /// What is under the key prefix, of all machines; waits for the server for as long as it takes.
  Status clear() override;
  TierStats stats() const override;

 private:
  struct State;
  explicit RedisTier(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace saccade
