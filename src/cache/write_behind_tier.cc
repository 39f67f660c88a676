#include "cache/write_behind_tier.h"

#include <string>
#include <utility>

namespace saccade {

WriteBehindTier::WriteBehindTier(std::unique_ptr<CacheTier> tier, int64_t max_pending_bytes)
    : tier_(std::move(tier)), max_pending_bytes_(max_pending_bytes), writer_([this] { write_all(); }) {}

WriteBehindTier::~WriteBehindTier() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
  }
  has_changed_.notify_all();
  writer_.join();
}

void WriteBehindTier::write_all() {
  std::unique_lock lock(mutex_);
  while (true) {
    has_changed_.wait(lock, [&] { return is_closing_ || !order_.empty(); });
    if (order_.empty()) return;
    const CacheKey key = order_.front();
    order_.pop_front();
    const auto found = pending_.find(key);
    if (found == pending_.end()) continue;
    const CacheEntry entry = found->second;  // stays among what waits until it can be had from the tier
    in_writing_ = key;
    lock.unlock();
    (void)tier_->put(key, entry);  // the tier counts what fails
    lock.lock();
    in_writing_.reset();
    // Unless it was erased or replaced meanwhile.
    if (const auto written = pending_.find(key);
        written != pending_.end() && written->second.value.bytes().data() == entry.value.bytes().data()) {
      num_pending_bytes_ -= entry.value.num_bytes();
      pending_.erase(written);
    }
    has_changed_.notify_all();
  }
}

Expected<std::optional<CacheEntry>> WriteBehindTier::get(const CacheKey& key) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = pending_.find(key); found != pending_.end()) {
      ++num_pending_hits_;
      return std::optional(found->second);
    }
  }
  return tier_->get(key);
}

Status WriteBehindTier::put(const CacheKey& key, const CacheEntry& entry) {
  {
    const std::lock_guard lock(mutex_);
    const bool is_queued = pending_.contains(key) && in_writing_ != key;
    forget_pending(key);
    const int64_t num_bytes = entry.value.num_bytes();
    if (num_pending_bytes_ > 0 && num_pending_bytes_ + num_bytes > max_pending_bytes_) {
      ++num_dropped_;
      return overloaded(
          std::string(tier_->name()) + " cache: too much waits to be written; the value is not kept there", 0);
    }
    num_pending_bytes_ += num_bytes;
    pending_.emplace(key, entry);
    if (!is_queued) order_.push_back(key);
  }
  has_changed_.notify_all();
  return {};
}

void WriteBehindTier::forget_pending(const CacheKey& key) {
  const auto found = pending_.find(key);
  if (found == pending_.end()) return;
  num_pending_bytes_ -= found->second.value.num_bytes();
  pending_.erase(found);
}

Status WriteBehindTier::erase(const CacheKey& key) {
  {
    std::unique_lock lock(mutex_);
    forget_pending(key);
    has_changed_.wait(lock, [&] { return in_writing_ != key; });
  }
  return tier_->erase(key);
}

Status WriteBehindTier::clear() {
  {
    std::unique_lock lock(mutex_);
    pending_.clear();
    order_.clear();
    num_pending_bytes_ = 0;
    has_changed_.wait(lock, [&] { return !in_writing_.has_value(); });
  }
  return tier_->clear();
}

Status WriteBehindTier::flush() {
  {
    std::unique_lock lock(mutex_);
    has_changed_.wait(lock, [&] { return order_.empty() && !in_writing_.has_value(); });
  }
  return tier_->flush();
}

TierStats WriteBehindTier::stats() const {
  TierStats stats = tier_->stats();
  const std::lock_guard lock(mutex_);
  stats.num_hits += num_pending_hits_;
  stats.num_dropped_writes += num_dropped_;
  return stats;
}

}  // namespace saccade
