// Makes a slow tier one whose put() returns at once: another thread writes.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "cache/cache_tier.h"

namespace saccade {

/// What was put and not written yet is found all the same. Where the tier can't keep up, puts are dropped and counted:
/// a cache may forget, but never hold up who asks. What waits is written before the destructor returns, and lost with
/// the process where that is killed.
class WriteBehindTier : public CacheTier {
 public:
  /// `max_pending_bytes` of values may wait, one of any size among them.
  WriteBehindTier(std::unique_ptr<CacheTier> tier, int64_t max_pending_bytes);
  ~WriteBehindTier() override;

  std::string_view name() const override { return tier_->name(); }
  Expected<std::optional<CacheEntry>> get(const CacheKey& key) override;
  /// Errors: kOverloaded (too much waits). Those of the tier are in its stats alone.
  Status put(const CacheKey& key, const CacheEntry& entry) override;
  /// Waits for the tier.
  Status erase(const CacheKey& key) override;
  Status clear() override;
  /// Waits until all is written.
  Status flush() override;
  /// The tier's, with hits among what waits.
  TierStats stats() const override;

 private:
  void write_all();
  void forget_pending(const CacheKey& key);

  const std::unique_ptr<CacheTier> tier_;
  const int64_t max_pending_bytes_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable has_changed_;
  std::unordered_map<CacheKey, CacheEntry, CacheKeyHash> pending_;
  std::deque<CacheKey> order_;  // of pending_; a key may stand here in vain
  std::optional<CacheKey> in_writing_;
  int64_t num_pending_bytes_ = 0;
  bool is_closing_ = false;
  uint64_t num_pending_hits_ = 0;
  uint64_t num_dropped_ = 0;

  std::thread writer_;  // last: it uses what is above
};

}  // namespace saccade
