#include "scheduling/active_requests.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace saccade {
namespace {

TEST(ActiveRequests, WhoIsAloneTriesOnceMore) {
  ActiveRequests all;
  const ActiveRequests::Active self(all);
  EXPECT_EQ(all.count(), 1);
  std::optional<uint64_t> tried;
  EXPECT_TRUE(all.wait_for_others(tried)) << "what it lacked may have been given back since";
  EXPECT_FALSE(all.wait_for_others(tried));
}

TEST(ActiveRequests, WhoLacksSomethingWaitsForOneToEnd) {
  ActiveRequests all;
  const ActiveRequests::Active self(all);
  std::atomic<bool> has_ended{false};
  std::optional<ActiveRequests::Active> other(std::in_place, all);
  EXPECT_LT(self.order(), other->order());
  std::thread thread([&] {
    has_ended = true;
    other.reset();
  });
  std::optional<uint64_t> tried;
  while (!has_ended) std::this_thread::yield();
  EXPECT_TRUE(all.wait_for_others(tried));
  thread.join();
  EXPECT_EQ(all.count(), 1);
}

TEST(ActiveRequests, TheLastOneAwakeGoesAheadOfThoseThatWait) {
  ActiveRequests all;
  std::optional<ActiveRequests::Active> last(std::in_place, all);
  std::atomic<int> num_done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      const ActiveRequests::Active self(all);
      std::optional<uint64_t> tried;
      EXPECT_TRUE(all.wait_for_others(tried));
      EXPECT_FALSE(tried);
      ++num_done;
    });
  }
  while (all.num_waiting() < 3) std::this_thread::yield();
  std::optional<uint64_t> tried;
  EXPECT_TRUE(all.wait_for_others(tried));
  EXPECT_EQ(num_done, 0);
  EXPECT_FALSE(all.wait_for_others(tried)) << "nobody else held anything meanwhile";
  last.reset();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_done, 3);
}

}  // namespace
}  // namespace saccade
