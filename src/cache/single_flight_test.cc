#include "cache/single_flight.h"

#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "cache/test_cache.h"

namespace saccade {
namespace {

using Flight = SingleFlight<int>;
using test::key_of;

class SingleFlightTest : public testing::Test {
 protected:
  void wait_for_waiting(uint64_t num_waiting) const {
    while (flight_.stats().num_waiting < num_waiting) std::this_thread::yield();
  }
  // On a thread of its own: computes 7 when `release` is set.
  std::jthread start_leader(const CacheKey& key, Expected<int> result = 7) {
    std::jthread leader([this, key, result] {
      const auto led = flight_.run(key, [&]() -> Expected<int> {
        is_leading_ = true;
        while (!may_end_) std::this_thread::yield();
        return result;
      });
      EXPECT_EQ(led.is_ok(), result.is_ok());
    });
    while (!is_leading_) std::this_thread::yield();
    return leader;
  }

  Flight flight_;
  std::atomic<bool> is_leading_ = false;
  std::atomic<bool> may_end_ = false;
};

TEST_F(SingleFlightTest, TenAtOnceComputeOnce) {
  std::atomic<int> num_computed = 0;
  std::atomic<int> num_right = 0;
  std::atomic<int> num_shared = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 10; ++i) {
      threads.emplace_back([&] {
        const auto got = flight_.run(key_of(1), [&]() -> Expected<int> {
          ++num_computed;
          wait_for_waiting(9);
          return 7;
        });
        num_right += got.is_ok() && got->value == 7;
        num_shared += got.is_ok() && got->is_shared;
      });
    }
  }
  EXPECT_EQ(num_computed, 1);
  EXPECT_EQ(num_right, 10);
  EXPECT_EQ(num_shared, 9);
  const FlightStats stats = flight_.stats();
  EXPECT_EQ(stats.num_computed, 1u);
  EXPECT_EQ(stats.num_shared, 9u);
  EXPECT_EQ(stats.num_waiting, 0u);
}

TEST_F(SingleFlightTest, OthersKeysDoNotWait) {
  const std::jthread leader = start_leader(key_of(1));
  const auto other = flight_.run(key_of(2), []() -> Expected<int> { return 8; });
  EXPECT_EQ(other->value, 8);
  may_end_ = true;
}

TEST_F(SingleFlightTest, AfterAFailureTheNextComputes) {
  std::atomic<int> num_computed = 0;
  std::atomic<int> num_failed = 0;
  std::atomic<int> num_right = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 10; ++i) {
      threads.emplace_back([&] {
        const auto got = flight_.run(key_of(1), [&]() -> Expected<int> {
          const int turn = num_computed++;
          if (turn == 0) wait_for_waiting(9);
          if (turn < 3) return cancelled("the client went away");
          return 7;
        });
        num_failed += !got.is_ok();
        num_right += got.is_ok() && got->value == 7;
      });
    }
  }
  EXPECT_EQ(num_failed, 3);  // their own errors, nobody else's
  EXPECT_EQ(num_right, 7);
  EXPECT_EQ(flight_.stats().num_failed, 3u);
  // Those who had no turn yet when the fourth computed may have come too late to share.
  EXPECT_GE(num_computed, 4);
}

TEST_F(SingleFlightTest, AnExceptionIsTheThrowersOwn) {
  EXPECT_THROW((void)flight_.run(key_of(1), []() -> Expected<int> { throw std::runtime_error("no"); }),
               std::runtime_error);
  EXPECT_EQ(flight_.run(key_of(1), []() -> Expected<int> { return 7; })->value, 7);
  EXPECT_EQ(flight_.stats().num_failed, 1u);
}

TEST_F(SingleFlightTest, AWaiterStopsByItsToken) {
  const std::jthread leader = start_leader(key_of(1));
  std::stop_source stop;
  std::jthread waiter([&] {
    const auto got = flight_.run(key_of(1), []() -> Expected<int> { return 9; }, {.stop = stop.get_token()});
    EXPECT_EQ(got.status().code(), StatusCode::kCancelled);
  });
  wait_for_waiting(1);
  stop.request_stop();
  waiter.join();
  EXPECT_EQ(flight_.stats().num_gave_up, 1u);
  may_end_ = true;
}

TEST_F(SingleFlightTest, AWaiterIsAskedWhetherItGivesUp) {
  const std::jthread leader = start_leader(key_of(1));
  std::atomic<bool> gives_up = false;
  std::jthread waiter([&] {
    const auto got = flight_.run(key_of(1), []() -> Expected<int> { return 9; },
                                 {.gives_up = [&] { return gives_up.load(); }, .poll_ms = 1});
    EXPECT_EQ(got.status().code(), StatusCode::kCancelled);
  });
  wait_for_waiting(1);
  gives_up = true;
  waiter.join();
  may_end_ = true;
}

TEST_F(SingleFlightTest, AWaiterKeepsItsDeadline) {
  const std::jthread leader = start_leader(key_of(1));
  const Stopwatch watch;
  const auto got = flight_.run(key_of(1), []() -> Expected<int> { return 9; }, {.deadline_ms = now_ms() + 20});
  EXPECT_EQ(got.status().code(), StatusCode::kBudgetExceeded);
  EXPECT_GE(watch.elapsed_ms(), 19);
  may_end_ = true;
}

TEST_F(SingleFlightTest, WhoGivesUpTakesNothingFromOthers) {
  std::jthread leader = start_leader(key_of(1));
  std::atomic<int> num_right = 0;
  std::vector<std::jthread> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.emplace_back([&] { num_right += flight_.run(key_of(1), []() -> Expected<int> { return 9; })->value == 7; });
  }
  wait_for_waiting(3);
  const auto got = flight_.run(key_of(1), []() -> Expected<int> { return 9; }, {.deadline_ms = now_ms()});
  EXPECT_FALSE(got.is_ok());
  may_end_ = true;
  waiters.clear();
  EXPECT_EQ(num_right, 3);
}

}  // namespace
}  // namespace saccade
