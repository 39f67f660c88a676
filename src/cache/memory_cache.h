// Values in memory under a limit of bytes: objects that the engine computes from, or bytes (memory_tier.h).
#pragma once

#include <cassert>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cache/cache_key.h"
#include "cache/cache_tier.h"
#include "platform/clock.h"

namespace saccade {

enum class EvictionPolicy : uint8_t {
  kLru,  // the one that was not used for longest leaves first
  // The one that was used least leaves first, with dynamic ageing, so that what was asked for often some time ago
  // leaves too: LFU-DA (Arlitt et al., "Evaluating Content Management Techniques for Web Proxy Caches", 1999, section
  // 3). An entry ranks by its uses plus the rank of the last one that had left when it was used.
  kLfu,
};

struct MemoryCacheOptions {
  int64_t max_bytes = 0;
  EvictionPolicy eviction = EvictionPolicy::kLru;
  WallClock clock = wall_time_us;
};

/// `Value` is cheap to copy (a shared_ptr, say): a copy is handed out, so that what leaves the cache lives as long as
/// someone computes from it. The limit counts the bytes that put() was told, and kOverheadBytes for each entry.
/// Thread safety: any thread.
template <typename Value>
class MemoryCache {
 public:
  static constexpr int64_t kOverheadBytes = 256;  // of the maps: nodes, keys, hash slots

  struct Found {
    Value value;
    int64_t expires_at_us = kNeverExpires;
  };

  explicit MemoryCache(MemoryCacheOptions options) : options_(std::move(options)) { assert(options_.max_bytes >= 0); }

  std::optional<Found> get(const CacheKey& key) {
    Retired retired;  // freed when the lock is given back: memory of megabytes takes long to free
    const std::lock_guard lock(mutex_);
    const auto found = nodes_.find(key);
    if (found == nodes_.end() || drop_if_expired(found, retired)) {
      ++stats_.num_misses;
      return std::nullopt;
    }
    ++stats_.num_hits;
    Node& node = found->second;
    ++node.num_uses;
    rank(key, node);
    return Found{node.value, node.expires_at_us};
  }

  /// False: larger than the whole cache, or past its time; what was there under the key is gone all the same.
  bool put(const CacheKey& key, Value value, int64_t num_bytes, int64_t expires_at_us = kNeverExpires) {
    assert(num_bytes >= 0);
    Retired retired;
    const std::lock_guard lock(mutex_);
    int64_t num_uses = 1;
    if (const auto old = nodes_.find(key); old != nodes_.end()) {
      num_uses = old->second.num_uses;
      remove(old, retired);
    }
    if (num_bytes > options_.max_bytes - kOverheadBytes) {
      ++stats_.num_refused;
      return false;
    }
    const int64_t now_us = options_.clock();
    if (expires_at_us <= now_us) {
      ++stats_.num_expired;
      return false;
    }
    make_room(num_bytes + kOverheadBytes, now_us, retired);
    Node& node = nodes_[key];
    node.value = std::move(value);
    node.num_bytes = num_bytes + kOverheadBytes;
    node.expires_at_us = expires_at_us;
    node.num_uses = num_uses;
    num_bytes_ += node.num_bytes;
    if (expires_at_us != kNeverExpires) expiries_.emplace(expires_at_us, key);
    rank(key, node);
    ++stats_.num_puts;
    return true;
  }

  void erase(const CacheKey& key) {
    Retired retired;
    const std::lock_guard lock(mutex_);
    if (const auto found = nodes_.find(key); found != nodes_.end()) remove(found, retired);
  }

  /// Of a value that get() gave and that is damaged: drops it and makes a miss of the hit.
  void drop_corrupt(const CacheKey& key) {
    Retired retired;
    const std::lock_guard lock(mutex_);
    if (const auto found = nodes_.find(key); found != nodes_.end()) remove(found, retired);
    --stats_.num_hits;
    ++stats_.num_misses;
    ++stats_.num_corrupt;
  }

  void clear() {
    std::unordered_map<CacheKey, Node, CacheKeyHash> retired;
    const std::lock_guard lock(mutex_);
    retired.swap(nodes_);
    ranks_.clear();
    expiries_.clear();
    num_bytes_ = 0;
  }

  /// Without a name.
  TierStats stats() const {
    const std::lock_guard lock(mutex_);
    TierStats stats = stats_;
    stats.num_entries = nodes_.size();
    stats.num_bytes = static_cast<uint64_t>(num_bytes_);
    stats.max_bytes = static_cast<uint64_t>(options_.max_bytes);
    return stats;
  }

 private:
  // Who leaves first comes first: by rank (0 for all under LRU), among equals by the last use.
  using Rank = std::pair<int64_t, uint64_t>;
  struct Node {
    Value value = {};
    int64_t num_bytes = 0;
    int64_t expires_at_us = kNeverExpires;
    int64_t num_uses = 0;
    Rank rank = {};
  };
  using Nodes = std::unordered_map<CacheKey, Node, CacheKeyHash>;
  using Retired = std::vector<Value>;

  void rank(const CacheKey& key, Node& node) {
    auto handle = ranks_.extract(node.rank);
    node.rank = {options_.eviction == EvictionPolicy::kLfu ? node.num_uses + age_ : 0, ++num_uses_};
    if (handle.empty()) {
      ranks_.emplace(node.rank, key);
    } else {
      handle.key() = node.rank;
      ranks_.insert(std::move(handle));
    }
  }

  void remove(typename Nodes::iterator found, Retired& retired) {
    Node& node = found->second;
    num_bytes_ -= node.num_bytes;
    ranks_.erase(node.rank);
    if (node.expires_at_us != kNeverExpires) expiries_.erase({node.expires_at_us, found->first});
    retired.push_back(std::move(node.value));
    nodes_.erase(found);
  }

  bool drop_if_expired(typename Nodes::iterator found, Retired& retired) {
    if (found->second.expires_at_us == kNeverExpires || found->second.expires_at_us > options_.clock()) return false;
    remove(found, retired);
    ++stats_.num_expired;
    return true;
  }

  // Those past their time leave before any other.
  void make_room(int64_t num_bytes, int64_t now_us, Retired& retired) {
    const auto is_full = [&] { return num_bytes_ + num_bytes > options_.max_bytes; };
    while (is_full() && !expiries_.empty() && expiries_.begin()->first <= now_us) {
      remove(nodes_.find(expiries_.begin()->second), retired);
      ++stats_.num_expired;
    }
    while (is_full()) {
      age_ = ranks_.begin()->first.first;
      remove(nodes_.find(ranks_.begin()->second), retired);
      ++stats_.num_evictions;
    }
  }

  const MemoryCacheOptions options_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  Nodes nodes_;
  std::map<Rank, CacheKey> ranks_;
  std::set<std::pair<int64_t, CacheKey>> expiries_;  // of those that expire
  int64_t num_bytes_ = 0;
  int64_t age_ = 0;        // the rank of the last one that was evicted
  uint64_t num_uses_ = 0;  // of all entries
  TierStats stats_;
};

}  // namespace saccade
