#include "cache/memory_tier.h"

#include <gmock/gmock.h>

#include <thread>

#include "cache/test_cache.h"

namespace saccade {
namespace {

using test::bytes_of;
using test::entry_of;
using test::FakeClock;
using test::holds;
using test::is_absent;
using test::key_of;
using testing::HasSubstr;

constexpr int64_t kOverhead = MemoryCache<CacheValue>::kOverheadBytes;
constexpr size_t kSize = 1000;

// Room for `num_entries` of kSize bytes.
MemoryCacheOptions room_for(int num_entries, EvictionPolicy eviction, FakeClock& clock) {
  return {num_entries * (static_cast<int64_t>(kSize) + kOverhead), eviction, clock.clock()};
}

class MemoryTierTest : public testing::Test {
 protected:
  Status put(CacheTier& tier, int number, int64_t expires_at_us = kNeverExpires) {
    return tier.put(key_of(number), entry_of(number, kSize, expires_at_us));
  }
  FakeClock clock_;
};

TEST_F(MemoryTierTest, HandsOutWhatWasPutWithoutACopy) {
  MemoryTier tier("L1", room_for(2, EvictionPolicy::kLru, clock_));
  const CacheEntry entry = entry_of(1, kSize);
  EXPECT_TRUE(is_absent(tier, 1));
  ASSERT_TRUE(tier.put(key_of(1), entry).is_ok());
  EXPECT_TRUE(holds(tier, 1, kSize));
  EXPECT_EQ((*tier.get(key_of(1)))->value.bytes().data(), entry.value.bytes().data());
  ASSERT_TRUE(tier.erase(key_of(1)).is_ok());
  EXPECT_TRUE(is_absent(tier, 1));
  ASSERT_TRUE(put(tier, 2).is_ok());
  ASSERT_TRUE(tier.clear().is_ok());
  EXPECT_TRUE(is_absent(tier, 2));
  const TierStats stats = tier.stats();
  EXPECT_EQ(stats.name, "L1");
  EXPECT_EQ(stats.num_hits, 2u);
  EXPECT_EQ(stats.num_misses, 3u);
  EXPECT_EQ(stats.num_puts, 2u);
  EXPECT_EQ(stats.num_bytes, 0u);
  EXPECT_EQ(stats.num_entries, 0u);
}

TEST_F(MemoryTierTest, ThatWhichWasNotUsedForLongestLeavesFirst) {
  MemoryTier tier("L1", room_for(3, EvictionPolicy::kLru, clock_));
  for (const int number : {1, 2, 3}) ASSERT_TRUE(put(tier, number).is_ok());
  EXPECT_TRUE(holds(tier, 1, kSize));
  ASSERT_TRUE(put(tier, 4).is_ok());
  EXPECT_TRUE(is_absent(tier, 2));
  for (const int number : {1, 3, 4}) EXPECT_TRUE(holds(tier, number, kSize));
  EXPECT_EQ(tier.stats().num_evictions, 1u);
}

TEST_F(MemoryTierTest, ThatWhichWasUsedLeastLeavesFirst) {
  MemoryTier tier("L2", room_for(3, EvictionPolicy::kLfu, clock_));
  for (const int number : {1, 2, 3}) ASSERT_TRUE(put(tier, number).is_ok());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(holds(tier, 1, kSize));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(holds(tier, 3, kSize));
  ASSERT_TRUE(put(tier, 4).is_ok());  // 2 was used least
  ASSERT_TRUE(put(tier, 5).is_ok());  // and now 4
  EXPECT_TRUE(is_absent(tier, 2));
  EXPECT_TRUE(is_absent(tier, 4));
  for (const int number : {1, 3, 5}) EXPECT_TRUE(holds(tier, number, kSize));
}

// Without ageing, a favourite of 100 uses would outlive everything that is asked for less than 100 times.
TEST_F(MemoryTierTest, AnOldFavouriteLeaves) {
  MemoryTier tier("L2", room_for(4, EvictionPolicy::kLfu, clock_));
  ASSERT_TRUE(put(tier, 0).is_ok());
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(holds(tier, 0, kSize));
  int num_new = 0;
  const auto is_there = [&] {  // by the number of entries that left: to ask for it would be a use
    return tier.stats().num_evictions + 4 == static_cast<uint64_t>(num_new) + 1;
  };
  for (int number = 1; number <= 3; ++number, ++num_new) ASSERT_TRUE(put(tier, number).is_ok());
  ASSERT_TRUE(is_there());
  for (int round = 0; round < 60; ++round) {  // each is asked for three times and then never again
    const int number = 100 + round;
    ASSERT_TRUE(put(tier, number).is_ok());
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(holds(tier, number, kSize));
  }
  for (int round = 0; round < 400; ++round) ASSERT_TRUE(put(tier, 1000 + round).is_ok());
  EXPECT_TRUE(is_absent(tier, 0));
}

TEST_F(MemoryTierTest, AFavouriteOutlivesAScan) {
  MemoryTier lfu("L2", room_for(4, EvictionPolicy::kLfu, clock_));
  MemoryTier lru("L1", room_for(4, EvictionPolicy::kLru, clock_));
  for (MemoryTier* tier : {&lfu, &lru}) {
    ASSERT_TRUE(put(*tier, 0).is_ok());
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(holds(*tier, 0, kSize));
    for (int number = 1; number <= 12; ++number) ASSERT_TRUE(put(*tier, number).is_ok());
  }
  EXPECT_TRUE(holds(lfu, 0, kSize));
  EXPECT_TRUE(is_absent(lru, 0));
}

TEST_F(MemoryTierTest, EntriesLeaveAtTheirTime) {
  MemoryTier tier("L1", room_for(3, EvictionPolicy::kLru, clock_));
  ASSERT_TRUE(put(tier, 1, clock_.now_us() + 1'000'000).is_ok());
  ASSERT_TRUE(put(tier, 2).is_ok());
  clock_.advance_ms(999);
  EXPECT_TRUE(holds(tier, 1, kSize));
  EXPECT_EQ((*tier.get(key_of(1)))->expires_at_us, clock_.now_us() + 1000);
  clock_.advance_ms(1);
  EXPECT_TRUE(is_absent(tier, 1));
  EXPECT_TRUE(holds(tier, 2, kSize));
  EXPECT_EQ(tier.stats().num_expired, 1u);
  EXPECT_TRUE(put(tier, 3, clock_.now_us()).is_ok());  // no error, but not kept
  EXPECT_TRUE(is_absent(tier, 3));
}

TEST_F(MemoryTierTest, WhatIsPastItsTimeMakesRoomFirst) {
  MemoryTier tier("L1", room_for(2, EvictionPolicy::kLru, clock_));
  ASSERT_TRUE(put(tier, 1).is_ok());
  ASSERT_TRUE(put(tier, 2, clock_.now_us() + 1000).is_ok());
  clock_.advance_ms(1);
  ASSERT_TRUE(put(tier, 3).is_ok());
  EXPECT_TRUE(holds(tier, 1, kSize));
  EXPECT_EQ(tier.stats().num_evictions, 0u);
}

TEST_F(MemoryTierTest, AValueLargerThanTheTierIsRefused) {
  MemoryTier tier("L1", room_for(2, EvictionPolicy::kLru, clock_));
  ASSERT_TRUE(put(tier, 1).is_ok());
  const Status status = tier.put(key_of(1), entry_of(1, 3 * kSize));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("L1 cache: a value of 3.00 kB is larger than all of it (2.51 kB)"));
  EXPECT_TRUE(is_absent(tier, 1));  // not the old one either
  EXPECT_EQ(tier.stats().num_refused, 1u);
  MemoryTier nothing("none", {0, EvictionPolicy::kLru, clock_.clock()});
  EXPECT_EQ(nothing.put(key_of(1), entry_of(1, 0)).code(), StatusCode::kResourceExhausted);
}

TEST_F(MemoryTierTest, AReplacedValueIsCountedOnce) {
  MemoryTier tier("L1", room_for(2, EvictionPolicy::kLru, clock_));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(put(tier, 1, clock_.now_us() + 1'000'000).is_ok());
  EXPECT_EQ(tier.stats().num_entries, 1u);
  EXPECT_EQ(tier.stats().num_bytes, kSize + kOverhead);
}

TEST_F(MemoryTierTest, ADamagedValueIsDropped) {
  MemoryTier tier("L2", room_for(2, EvictionPolicy::kLfu, clock_));
  const auto bytes = std::make_shared<std::vector<std::byte>>(bytes_of(1, kSize));
  ASSERT_TRUE(tier.put(key_of(1), {CacheValue(bytes, *bytes, checksum_of(*bytes)), kNeverExpires}).is_ok());
  EXPECT_TRUE(holds(tier, 1, kSize));
  (*bytes)[500] ^= std::byte{1};
  EXPECT_TRUE(is_absent(tier, 1));
  const TierStats stats = tier.stats();
  EXPECT_EQ(stats.num_corrupt, 1u);
  EXPECT_EQ(stats.num_hits, 1u);
  EXPECT_EQ(stats.num_misses, 1u);
  EXPECT_EQ(stats.num_entries, 0u);
}

TEST_F(MemoryTierTest, AnEmptyValueIsAValue) {
  MemoryTier tier("L1", room_for(1, EvictionPolicy::kLru, clock_));
  EXPECT_TRUE(CacheValue().is_intact());
  ASSERT_TRUE(tier.put(key_of(1), {CacheValue(), kNeverExpires}).is_ok());
  EXPECT_TRUE(holds(tier, 1, 0));
}

TEST_F(MemoryTierTest, ManyThreadsKeepTheLimit) {
  for (const EvictionPolicy eviction : {EvictionPolicy::kLru, EvictionPolicy::kLfu}) {
    const MemoryCacheOptions options = room_for(20, eviction, clock_);
    MemoryTier tier("L1", options);
    std::atomic<int> num_wrong = 0;
    {
      std::vector<std::jthread> threads;
      for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
          std::minstd_rand random(static_cast<unsigned>(thread) + 1);
          for (int i = 0; i < 2000; ++i) {
            const int number = static_cast<int>(random() % 50);
            const size_t num_bytes = static_cast<size_t>(number) * 40;
            switch (random() % 8) {
              case 0:
                num_wrong += !tier.erase(key_of(number)).is_ok();
                break;
              case 1:
              case 2: {
                const int64_t expires_at_us = clock_.now_us() + static_cast<int64_t>(random() % 1'000'000) + 1;
                num_wrong += !tier.put(key_of(number), entry_of(number, num_bytes, expires_at_us)).is_ok();
                break;
              }
              case 3:
                clock_.advance_ms(1);
                break;
              default:
                if (const auto found = tier.get(key_of(number)); *found) {
                  num_wrong += test::to_vector((*found)->value.bytes()) != bytes_of(number, num_bytes);
                }
            }
            num_wrong += *tier.stats().num_bytes > static_cast<uint64_t>(options.max_bytes);
          }
        });
      }
    }
    EXPECT_EQ(num_wrong, 0);
    const TierStats stats = tier.stats();
    EXPECT_GT(stats.num_hits, 0u);
    EXPECT_GT(stats.num_evictions, 0u);
    EXPECT_GT(stats.num_expired, 0u);
    EXPECT_EQ(stats.num_corrupt, 0u);
  }
}

}  // namespace
}  // namespace saccade
