// What tests of the cache put into it, and the time that passes for them.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cache/cache_tier.h"

namespace saccade::test {

inline CacheKey key_of(int number) {
  return {sha256_of(std::as_bytes(std::span(&number, 1)))};
}

/// The same bytes for the same arguments; others for other ones.
inline std::vector<std::byte> bytes_of(int number, size_t num_bytes) {
  std::mt19937_64 random(static_cast<unsigned>(number));
  std::vector<std::byte> bytes(num_bytes);
  for (size_t i = 0; i < num_bytes; i += sizeof(uint64_t)) {
    const uint64_t eight = random();
    std::memcpy(&bytes[i], &eight, std::min(sizeof(eight), num_bytes - i));
  }
  return bytes;
}

inline CacheEntry entry_of(int number, size_t num_bytes, int64_t expires_at_us = kNeverExpires) {
  return {CacheValue(bytes_of(number, num_bytes)), expires_at_us};
}

/// A clock that stands until it is moved.
class FakeClock {
 public:
  WallClock clock() {
    return [this] { return now_us_.load(); };
  }
  int64_t now_us() const { return now_us_; }
  void advance_ms(int64_t ms) { now_us_ += ms * 1000; }

 private:
  std::atomic<int64_t> now_us_ = 1'800'000'000'000'000;
};

inline std::vector<std::byte> to_vector(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

/// Whether the tier has exactly entry_of(number, num_bytes).
inline bool holds(CacheTier& tier, int number, size_t num_bytes) {
  const auto found = tier.get(key_of(number));
  EXPECT_TRUE(found.is_ok()) << found.status().message();
  return found.is_ok() && found->has_value() && to_vector((*found)->value.bytes()) == bytes_of(number, num_bytes);
}

inline bool is_absent(CacheTier& tier, int number) {
  const auto found = tier.get(key_of(number));
  EXPECT_TRUE(found.is_ok()) << found.status().message();
  return found.is_ok() && !found->has_value();
}

}  // namespace saccade::test
