#include "cache/write_behind_tier.h"

#include <gmock/gmock.h>

#include "cache/memory_tier.h"
#include "cache/test_cache.h"

namespace saccade {
namespace {

using test::entry_of;
using test::holds;
using test::is_absent;
using test::key_of;

// A tier in memory whose put() waits until it is let through.
class GatedTier : public MemoryTier {
 public:
  GatedTier() : MemoryTier("slow", {.max_bytes = 1 << 20}) {}
  Status put(const CacheKey& key, const CacheEntry& entry) override {
    is_waiting = true;
    is_open.wait(false);
    is_waiting = false;
    ++num_written;
    return MemoryTier::put(key, entry);
  }
  void open_gate() {
    is_open = true;
    is_open.notify_all();
  }
  std::atomic<bool> is_open = false;
  std::atomic<bool> is_waiting = false;
  std::atomic<int> num_written = 0;
};

class WriteBehindTierTest : public testing::Test {
 protected:
  std::unique_ptr<WriteBehindTier> make(int64_t max_pending_bytes) {
    auto gated = std::make_unique<GatedTier>();
    gated_ = gated.get();
    return std::make_unique<WriteBehindTier>(std::move(gated), max_pending_bytes);
  }
  void wait_for_writer() const {
    while (!gated_->is_waiting) std::this_thread::yield();
  }
  GatedTier* gated_ = nullptr;
};

TEST_F(WriteBehindTierTest, PutsDoNotWaitAndAreFoundAtOnce) {
  const auto tier = make(10'000);
  for (const int number : {1, 2, 3}) ASSERT_TRUE(tier->put(key_of(number), entry_of(number, 1000)).is_ok());
  for (const int number : {1, 2, 3}) EXPECT_TRUE(holds(*tier, number, 1000));
  EXPECT_EQ(gated_->num_written, 0);
  gated_->open_gate();
  ASSERT_TRUE(tier->flush().is_ok());
  EXPECT_EQ(gated_->num_written, 3);
  for (const int number : {1, 2, 3}) {
    EXPECT_TRUE(holds(*gated_, number, 1000));
    EXPECT_TRUE(holds(*tier, number, 1000));
  }
  const TierStats stats = tier->stats();
  EXPECT_EQ(stats.name, "slow");
  EXPECT_EQ(stats.num_puts, 3u);
  EXPECT_EQ(stats.num_hits, 9u);
}

TEST_F(WriteBehindTierTest, WhatItHasNoRoomForIsDroppedAndCounted) {
  const auto tier = make(2500);
  for (const int number : {1, 2}) ASSERT_TRUE(tier->put(key_of(number), entry_of(number, 1000)).is_ok());
  const Status status = tier->put(key_of(3), entry_of(3, 1000));
  EXPECT_EQ(status.code(), StatusCode::kOverloaded);
  EXPECT_EQ(tier->stats().num_dropped_writes, 1u);
  EXPECT_TRUE(is_absent(*tier, 3));
  gated_->open_gate();
  ASSERT_TRUE(tier->flush().is_ok());
  ASSERT_TRUE(tier->put(key_of(4), entry_of(4, 5000)).is_ok());  // one of any size may wait
  ASSERT_TRUE(tier->flush().is_ok());
  EXPECT_TRUE(holds(*gated_, 4, 5000));
}

TEST_F(WriteBehindTierTest, WhatWaitsIsReplacedAndErased) {
  const auto tier = make(10'000);
  ASSERT_TRUE(tier->put(key_of(0), entry_of(0, 10)).is_ok());
  wait_for_writer();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(tier->put(key_of(1), entry_of(i, 1000)).is_ok());
  ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 1000)).is_ok());
  ASSERT_TRUE(tier->put(key_of(2), entry_of(2, 1000)).is_ok());
  gated_->open_gate();
  ASSERT_TRUE(tier->erase(key_of(2)).is_ok());
  ASSERT_TRUE(tier->flush().is_ok());
  EXPECT_TRUE(holds(*tier, 1, 1000));
  EXPECT_TRUE(is_absent(*tier, 2));
}

TEST_F(WriteBehindTierTest, WhatIsBeingWrittenIsErasedToo) {
  const auto tier = make(10'000);
  ASSERT_TRUE(tier->put(key_of(1), entry_of(1, 1000)).is_ok());
  wait_for_writer();
  std::jthread eraser([&] { EXPECT_TRUE(tier->erase(key_of(1)).is_ok()); });
  while (!is_absent(*tier, 1)) std::this_thread::yield();
  gated_->open_gate();
  eraser.join();
  EXPECT_TRUE(is_absent(*tier, 1));
  EXPECT_TRUE(is_absent(*gated_, 1));
}

TEST_F(WriteBehindTierTest, ClearLeavesNothing) {
  const auto tier = make(10'000);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(tier->put(key_of(i), entry_of(i, 1000)).is_ok());
  wait_for_writer();
  std::jthread clearer([&] { EXPECT_TRUE(tier->clear().is_ok()); });
  while (!is_absent(*tier, 4)) std::this_thread::yield();
  gated_->open_gate();
  clearer.join();
  ASSERT_TRUE(tier->flush().is_ok());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(is_absent(*tier, i));
}

TEST_F(WriteBehindTierTest, WhatWaitsIsWrittenBeforeTheEnd) {
  // Lives on after the tier that owns it is gone.
  class Forward : public MemoryTier {
   public:
    explicit Forward(std::atomic<int>& num_put) : MemoryTier("slow", {.max_bytes = 1000}), num_put_(num_put) {}
    Status put(const CacheKey& /*key*/, const CacheEntry& /*entry*/) override {
      ++num_put_;
      return {};
    }

   private:
    std::atomic<int>& num_put_;
  };
  std::atomic<int> num_put = 0;
  {
    WriteBehindTier tier(std::make_unique<Forward>(num_put), 1 << 20);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(tier.put(key_of(i), entry_of(i, 10)).is_ok());
  }
  EXPECT_EQ(num_put, 50);
}

TEST_F(WriteBehindTierTest, ManyThreads) {
  const auto tier = make(20'000);
  gated_->open_gate();
  std::atomic<int> num_wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        std::minstd_rand random(static_cast<unsigned>(thread) + 1);
        for (int i = 0; i < 1000; ++i) {
          const int number = static_cast<int>(random() % 20);
          const size_t num_bytes = static_cast<size_t>(number) * 100;
          switch (random() % 8) {
            case 0:
              num_wrong += !tier->erase(key_of(number)).is_ok();
              break;
            case 1:
              num_wrong += i % 100 == 0 && !tier->flush().is_ok();
              break;
            case 2:
            case 3:
              (void)tier->put(key_of(number), entry_of(number, num_bytes));
              break;
            default:
              if (const auto found = tier->get(key_of(number)); *found) {
                num_wrong += test::to_vector((*found)->value.bytes()) != test::bytes_of(number, num_bytes);
              }
          }
        }
      });
    }
  }
  EXPECT_EQ(num_wrong, 0);
}

}  // namespace
}  // namespace saccade
