#include "cache/tiered_cache.h"

#include <gmock/gmock.h>

#include <thread>

#include "cache/memory_tier.h"
#include "cache/test_cache.h"

namespace saccade {
namespace {

using test::bytes_of;
using test::entry_of;
using test::holds;
using test::is_absent;
using test::key_of;

constexpr size_t kSize = 100;

// A tier that fails at everything.
class FailingTier : public CacheTier {
 public:
  std::string_view name() const override { return "failing"; }
  Expected<std::optional<CacheEntry>> get(const CacheKey& /*key*/) override { return fail(); }
  Status put(const CacheKey& /*key*/, const CacheEntry& /*entry*/) override { return fail(); }
  Status erase(const CacheKey& /*key*/) override { return fail(); }
  Status clear() override { return fail(); }
  TierStats stats() const override {
    TierStats stats;
    stats.num_errors = num_errors_;
    return stats;
  }

 private:
  Status fail() {
    ++num_errors_;
    return io_error("the disk is gone");
  }
  std::atomic<uint64_t> num_errors_ = 0;
};

class TieredCacheTest : public testing::Test {
 protected:
  std::unique_ptr<MemoryTier> tier(const char* name, MemoryTier*& kept) {
    auto made = std::make_unique<MemoryTier>(name, MemoryCacheOptions{.max_bytes = 1 << 20, .clock = clock_.clock()});
    kept = made.get();
    return made;
  }
  TieredCache make(Promotion promotion = Promotion::kAllAbove, std::optional<double> ttl_ms = std::nullopt) {
    std::vector<std::unique_ptr<CacheTier>> tiers;
    tiers.push_back(tier("top", top_));
    tiers.push_back(tier("middle", middle_));
    tiers.push_back(std::make_unique<FailingTier>());
    tiers.push_back(tier("bottom", bottom_));
    return TieredCache(std::move(tiers), {promotion, ttl_ms, clock_.clock()});
  }
  static CacheValue value_of(int number) { return CacheValue(bytes_of(number, kSize)); }

  test::FakeClock clock_;
  MemoryTier* top_ = nullptr;
  MemoryTier* middle_ = nullptr;
  MemoryTier* bottom_ = nullptr;
};

TEST_F(TieredCacheTest, PutsIntoAllTiersAndAFailingOneChangesNothing) {
  TieredCache cache = make();
  EXPECT_FALSE(cache.get(key_of(1)).has_value());
  cache.put(key_of(1), value_of(1));
  for (MemoryTier* each : {top_, middle_, bottom_}) EXPECT_TRUE(holds(*each, 1, kSize));
  EXPECT_EQ(cache.get(key_of(1))->tier_idx, 0u);
  cache.erase(key_of(1));
  for (MemoryTier* each : {top_, middle_, bottom_}) EXPECT_TRUE(is_absent(*each, 1));
  cache.put(key_of(1), value_of(1));
  EXPECT_EQ(cache.clear().code(), StatusCode::kIoError);  // the failing tier's
  for (MemoryTier* each : {top_, middle_, bottom_}) EXPECT_TRUE(is_absent(*each, 1));
  const CacheStats stats = cache.stats();
  ASSERT_EQ(stats.tiers.size(), 4u);
  EXPECT_EQ(stats.tiers[0].name, "top");
  EXPECT_EQ(stats.tiers[2].num_errors, 5u);
}

TEST_F(TieredCacheTest, WhatIsFoundBelowComesUp) {
  TieredCache all = make(Promotion::kAllAbove);
  ASSERT_TRUE(bottom_->put(key_of(1), entry_of(1, kSize)).is_ok());
  EXPECT_EQ(all.get(key_of(1))->tier_idx, 3u);
  EXPECT_EQ(all.get(key_of(1))->tier_idx, 0u);
  EXPECT_TRUE(holds(*middle_, 1, kSize));

  TieredCache next = make(Promotion::kNextAbove);
  ASSERT_TRUE(middle_->put(key_of(1), entry_of(1, kSize)).is_ok());
  EXPECT_EQ(next.get(key_of(1))->tier_idx, 1u);
  EXPECT_EQ(next.get(key_of(1))->tier_idx, 0u);
  ASSERT_TRUE(bottom_->put(key_of(2), entry_of(2, kSize)).is_ok());
  EXPECT_EQ(next.get(key_of(2))->tier_idx, 3u);
  EXPECT_TRUE(is_absent(*top_, 2));

  TieredCache none = make(Promotion::kNone);
  ASSERT_TRUE(bottom_->put(key_of(1), entry_of(1, kSize)).is_ok());
  EXPECT_EQ(none.get(key_of(1))->tier_idx, 3u);
  EXPECT_TRUE(is_absent(*top_, 1));
  EXPECT_TRUE(is_absent(*middle_, 1));
}

TEST_F(TieredCacheTest, WhatComesUpDoesNotLiveLonger) {
  TieredCache cache = make(Promotion::kAllAbove, 1000);
  cache.put(key_of(1), value_of(1));
  cache.put(key_of(2), value_of(2), 3000);
  ASSERT_TRUE(top_->erase(key_of(1)).is_ok());
  clock_.advance_ms(999);
  EXPECT_EQ(cache.get(key_of(1))->tier_idx, 1u);
  EXPECT_EQ(cache.get(key_of(1))->tier_idx, 0u);
  clock_.advance_ms(1);
  EXPECT_FALSE(cache.get(key_of(1)).has_value());
  EXPECT_TRUE(cache.get(key_of(2)).has_value());
  cache.put(key_of(3), value_of(3), 1e300);  // for ever
  clock_.advance_ms(1'000'000'000'000);
  EXPECT_TRUE(cache.get(key_of(3)).has_value());
  EXPECT_FALSE(cache.get(key_of(2)).has_value());
}

TEST_F(TieredCacheTest, ComputesWhatIsNotThere) {
  TieredCache cache = make();
  const auto compute = [] { return Expected<CacheValue>(value_of(1)); };
  const auto first = cache.get_or_compute(key_of(1), compute);
  ASSERT_TRUE(first.is_ok());
  EXPECT_EQ(first->source, CacheSource::kComputed);
  const auto second = cache.get_or_compute(key_of(1), compute);
  EXPECT_EQ(second->source, CacheSource::kTier);
  EXPECT_EQ(second->tier_idx, 0u);
  ASSERT_TRUE(top_->clear().is_ok());
  ASSERT_TRUE(middle_->clear().is_ok());
  EXPECT_EQ(cache.get_or_compute(key_of(1), compute)->tier_idx, 3u);
  EXPECT_TRUE(holds(*top_, 1, kSize));
  const CacheStats stats = cache.stats();
  EXPECT_EQ(stats.num_computed, 1u);
  EXPECT_EQ(stats.tiers[0].num_misses, 2u);  // each request asks a tier once
  EXPECT_EQ(stats.tiers[1].num_misses, 2u);
}

TEST_F(TieredCacheTest, AnErrorIsNotKept) {
  TieredCache cache = make();
  const auto failed =
      cache.get_or_compute(key_of(1), []() -> Expected<CacheValue> { return corrupt_data("no picture"); });
  EXPECT_EQ(failed.status().message(), "no picture");
  EXPECT_TRUE(cache.get_or_compute(key_of(1), [] { return Expected<CacheValue>(value_of(1)); }).is_ok());
  EXPECT_EQ(cache.stats().num_failed, 1u);
  EXPECT_EQ(cache.stats().num_computed, 1u);
}

TEST_F(TieredCacheTest, TenRequestsOfOnePictureComputeOnce) {
  TieredCache cache = make();
  std::atomic<int> num_computed = 0;
  std::atomic<int> num_right = 0;
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> may_begin = false;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 10; ++i) {
      threads.emplace_back([&] {
        may_begin.wait(false);
        const auto found = cache.get_or_compute(key_of(round), [&] {
          ++num_computed;
          return Expected<CacheValue>(value_of(round));
        });
        num_right += found.is_ok() && test::to_vector(found->entry.value.bytes()) == bytes_of(round, kSize);
      });
    }
    may_begin = true;
    may_begin.notify_all();
  }
  EXPECT_EQ(num_computed, 20);
  EXPECT_EQ(num_right, 200);
  EXPECT_EQ(cache.stats().num_computed, 20u);
}

TEST_F(TieredCacheTest, WithoutTiersItComputes) {
  TieredCache cache({});
  EXPECT_FALSE(cache.get(key_of(1)).has_value());
  const auto compute = [] { return Expected<CacheValue>(value_of(1)); };
  EXPECT_EQ(cache.get_or_compute(key_of(1), compute)->source, CacheSource::kComputed);
  EXPECT_EQ(cache.get_or_compute(key_of(1), compute)->source, CacheSource::kComputed);
}

}  // namespace
}  // namespace saccade
