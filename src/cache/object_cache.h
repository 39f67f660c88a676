// Objects that the engine computes from (a picture's vectors, keys and values of a prefix) in memory, with a cache of
// their bytes below.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "cache/memory_cache.h"
#include "cache/tiered_cache.h"
#include "saccade/status.h"

namespace saccade {

template <typename Object>
struct ObjectCodec {
  std::function<int64_t(const Object&)> num_bytes;                        // that it takes in memory
  std::function<std::vector<std::byte>(const Object&)> encode = nullptr;  // null: kept in memory alone
  std::function<Expected<Object>(std::span<const std::byte>)> decode = nullptr;
};

template <typename Object>
struct ObjectFound {
  std::shared_ptr<const Object> object;
  CacheSource source = CacheSource::kTier;
  size_t tier_idx = 0;  // of kTier: 0 is the objects' own, then those below
};

/// Thread safety: any thread.
template <typename Object>
class ObjectCache {
 public:
  using Found = ObjectFound<Object>;

  /// `below` may be null.
  ObjectCache(std::string name, MemoryCacheOptions options, ObjectCodec<Object> codec,
              std::shared_ptr<TieredCache> below, std::optional<double> ttl_ms = std::nullopt)
      : name_(std::move(name)),
        ttl_ms_(ttl_ms),
        clock_(options.clock),
        codec_(std::move(codec)),
        below_(std::move(below)),
        objects_(std::move(options)) {}

  std::optional<Found> get(const CacheKey& key) {
    if (auto found = objects_.get(key)) return Found{std::move(found->value), CacheSource::kTier, 0};
    return get_below(key);
  }

  struct FirstFound {
    Found found;
    size_t key_idx = 0;
  };
  /// Of several keys, best first, the first one that is there: of a picture, its richest encoding, from which cheaper
  /// ones are derived, before those that are as cheap as asked.
  std::optional<FirstFound> find_first(std::span<const CacheKey> keys) {
    for (size_t i = 0; i < keys.size(); ++i) {
      if (auto found = get(keys[i])) return FirstFound{*std::move(found), i};
    }
    return std::nullopt;
  }

  void put(const CacheKey& key, std::shared_ptr<const Object> object) {
    const int64_t expires_at_us = expiry_after(ttl_ms_, clock_);
    objects_.put(key, object, codec_.num_bytes(*object), expires_at_us);
    put_below(key, *object, expires_at_us);
  }

  /// As TieredCache::get_or_compute(). Those who wait do not wait until the object's bytes are written.
  Expected<Found> get_or_compute(const CacheKey& key, FunctionRef<Expected<Object>()> compute,
                                 const WaitLimits& limits = {}) {
    const uint64_t num_ended = flight_.num_ended();
    if (auto found = objects_.get(key)) return Found{std::move(found->value), CacheSource::kTier, 0};
    int64_t expires_at_us = kNeverExpires;
    auto result = flight_.run(
        key,
        [&]() -> Expected<Found> {
          if (flight_.num_ended() != num_ended) {
            if (auto found = objects_.get(key)) return Found{std::move(found->value), CacheSource::kTier, 0};
          }
          if (auto found = get_below(key)) return *std::move(found);
          SACCADE_ASSIGN_OR_RETURN(Object computed, compute());
          ++num_computed_;
          auto object = std::make_shared<const Object>(std::move(computed));
          expires_at_us = expiry_after(ttl_ms_, clock_);
          objects_.put(key, object, codec_.num_bytes(*object), expires_at_us);
          return Found{std::move(object), CacheSource::kComputed, 0};
        },
        limits);
    if (!result) return result.status();
    if (result->is_shared) {
      result->value.source = CacheSource::kShared;
    } else if (result->value.source == CacheSource::kComputed) {
      put_below(key, *result->value.object, expires_at_us);
    }
    return std::move(result->value);
  }

  void erase(const CacheKey& key) {
    objects_.erase(key);
    if (below_) below_->erase(key);
  }

  Status clear() {
    objects_.clear();
    return below_ ? below_->clear() : Status();
  }

  CacheStats stats() const {
    CacheStats stats;
    stats.tiers.push_back(objects_.stats());
    stats.tiers[0].name = name_;
    if (below_) {
      for (TierStats& tier : below_->stats().tiers) stats.tiers.push_back(std::move(tier));
    }
    const FlightStats flight = flight_.stats();
    stats.num_computed = num_computed_;
    stats.num_failed = flight.num_failed;
    stats.num_shared = flight.num_shared;
    stats.num_gave_up = flight.num_gave_up;
    stats.num_waiting = flight.num_waiting;
    stats.num_undecodable = num_undecodable_;
    return stats;
  }

 private:
  bool has_bytes() const { return below_ != nullptr && codec_.encode != nullptr; }

  std::optional<Found> get_below(const CacheKey& key) {
    if (!has_bytes()) return std::nullopt;
    const std::optional<CacheFound> found = below_->get(key);
    if (!found) return std::nullopt;
    Expected<Object> decoded = codec_.decode(found->entry.value.bytes());
    if (!decoded) {  // intact, so written by a program that wrote otherwise
      ++num_undecodable_;
      below_->erase(key);
      return std::nullopt;
    }
    auto object = std::make_shared<const Object>(*std::move(decoded));
    objects_.put(key, object, codec_.num_bytes(*object), found->entry.expires_at_us);
    return Found{std::move(object), CacheSource::kTier, found->tier_idx + 1};
  }

  void put_below(const CacheKey& key, const Object& object, int64_t expires_at_us) {
    if (has_bytes()) below_->put_until(key, CacheValue(codec_.encode(object)), expires_at_us);
  }

  const std::string name_;
  const std::optional<double> ttl_ms_;
  const WallClock clock_;
  const ObjectCodec<Object> codec_;
  const std::shared_ptr<TieredCache> below_;
  MemoryCache<std::shared_ptr<const Object>> objects_;
  SingleFlight<Found> flight_;
  std::atomic<uint64_t> num_computed_ = 0;
  std::atomic<uint64_t> num_undecodable_ = 0;
};

}  // namespace saccade
