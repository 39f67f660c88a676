// A value's bytes, shared by all who look at them, with the checksum that goes with them from tier to tier.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace saccade {

/// XXH3, 64 bits: against damage, not against forgery.
uint64_t checksum_of(std::span<const std::byte> bytes);

/// Immutable; a copy shares the bytes. They may lie in memory of whatever kind the tier has (`owner` keeps it), at any
/// alignment.
class CacheValue {
 public:
  CacheValue() = default;  // no bytes
  explicit CacheValue(std::vector<std::byte> bytes);
  /// Of bytes that are `checksum` as far as is known: is_intact() finds out.
  CacheValue(std::shared_ptr<const void> owner, std::span<const std::byte> bytes, uint64_t checksum)
      : owner_(std::move(owner)), bytes_(bytes), checksum_(checksum) {}

  std::span<const std::byte> bytes() const { return bytes_; }
  int64_t num_bytes() const { return static_cast<int64_t>(bytes_.size()); }
  uint64_t checksum() const { return checksum_; }
  bool is_intact() const { return checksum_of(bytes_) == checksum_; }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
  uint64_t checksum_ = kChecksumOfNothing;

  static constexpr uint64_t kChecksumOfNothing = 0x2D06800538D394C2;  // XXH3's of no bytes
};

/// In microseconds since 1970, UTC: a moment that tiers of several processes and machines agree on.
inline constexpr int64_t kNeverExpires = std::numeric_limits<int64_t>::max();

/// What a tier holds. The moment, not the time left, so that a value which moves between tiers does not begin to live
/// anew.
struct CacheEntry {
  CacheValue value;
  int64_t expires_at_us = kNeverExpires;
};

}  // namespace saccade
