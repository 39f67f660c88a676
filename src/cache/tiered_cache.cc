#include "cache/tiered_cache.h"

#include <algorithm>
#include <utility>

namespace saccade {

TieredCache::TieredCache(std::vector<std::unique_ptr<CacheTier>> tiers, TieredCacheOptions options)
    : tiers_(std::move(tiers)), options_(std::move(options)) {}

int64_t TieredCache::expires_at_us(std::optional<double> ttl_ms) const {
  return expiry_after(ttl_ms ? ttl_ms : options_.ttl_ms, options_.clock);
}

std::optional<CacheFound> TieredCache::look(const CacheKey& key, size_t first_tier, size_t end_tier) {
  for (size_t i = first_tier; i < end_tier; ++i) {
    auto found = tiers_[i]->get(key);
    if (!found || !*found) continue;
    CacheFound hit{**std::move(found), CacheSource::kTier, i};
    if (options_.promotion == Promotion::kAllAbove) put_into(key, hit.entry, 0, i);
    if (options_.promotion == Promotion::kNextAbove && i > 0) put_into(key, hit.entry, i - 1, i);
    return hit;
  }
  return std::nullopt;
}

void TieredCache::put_into(const CacheKey& key, const CacheEntry& entry, size_t first_tier, size_t end_tier) {
  for (size_t i = first_tier; i < end_tier; ++i) (void)tiers_[i]->put(key, entry);  // the tier counts what fails
}

std::optional<CacheFound> TieredCache::get(const CacheKey& key) {
  return look(key, 0, tiers_.size());
}

void TieredCache::put(const CacheKey& key, CacheValue value, std::optional<double> ttl_ms) {
  put_until(key, std::move(value), expires_at_us(ttl_ms));
}

void TieredCache::put_until(const CacheKey& key, CacheValue value, int64_t expires_at_us) {
  put_into(key, {std::move(value), expires_at_us}, 0, tiers_.size());
}

Expected<CacheFound> TieredCache::get_or_compute(const CacheKey& key, FunctionRef<Expected<CacheValue>()> compute,
                                                 const WaitLimits& limits, std::optional<double> ttl_ms) {
  // The top tier, which is the quickest, is asked by everyone; the others by one for all.
  const size_t num_quick = std::min<size_t>(tiers_.size(), 1);
  const uint64_t num_ended = flight_.num_ended();
  if (auto found = look(key, 0, num_quick)) return *std::move(found);
  auto result = flight_.run(
      key,
      [&]() -> Expected<CacheFound> {
        const size_t first_tier = flight_.num_ended() == num_ended ? num_quick : 0;
        if (auto found = look(key, first_tier, tiers_.size())) return *std::move(found);
        SACCADE_ASSIGN_OR_RETURN(CacheValue value, compute());
        ++num_computed_;
        CacheFound computed{{std::move(value), expires_at_us(ttl_ms)}, CacheSource::kComputed, 0};
        put_into(key, computed.entry, 0, tiers_.size());
        return computed;
      },
      limits);
  if (!result) return result.status();
  if (result->is_shared) result->value.source = CacheSource::kShared;
  return std::move(result->value);
}

void TieredCache::erase(const CacheKey& key) {
  for (const auto& tier : tiers_) (void)tier->erase(key);
}

Status TieredCache::clear() {
  Status first;
  for (const auto& tier : tiers_) {
    Status status = tier->clear();
    if (first.is_ok()) first = std::move(status);
  }
  return first;
}

Status TieredCache::flush() {
  Status first;
  for (const auto& tier : tiers_) {
    Status status = tier->flush();
    if (first.is_ok()) first = std::move(status);
  }
  return first;
}

CacheStats TieredCache::stats() const {
  CacheStats stats;
  for (const auto& tier : tiers_) stats.tiers.push_back(tier->stats());
  const FlightStats flight = flight_.stats();
  stats.num_computed = num_computed_;
  stats.num_failed = flight.num_failed;
  stats.num_shared = flight.num_shared;
  stats.num_gave_up = flight.num_gave_up;
  stats.num_waiting = flight.num_waiting;
  return stats;
}

}  // namespace saccade
