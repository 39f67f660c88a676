#include "platform/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace saccade {
namespace {

TEST(ThreadPool, CoversEveryIterationOnce) {
  for (const int num_threads : {1, 2, 5}) {
    ThreadPool pool(num_threads);
    for (const int64_t count : {0, 1, 7, 1000}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(count));
      pool.parallel_for(count, 3, [&](int64_t begin, int64_t end, int thread_idx) {
        ASSERT_LT(thread_idx, num_threads);
        for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
      });
      for (const auto& hit : hits) EXPECT_EQ(hit, 1);
    }
  }
}

TEST(ThreadPool, RunsManyLoopsInARow) {
  ThreadPool pool(3);
  int64_t total = 0;
  for (int round = 0; round < 2000; ++round) {
    std::atomic<int64_t> sum = 0;
    pool.parallel_for(10, 1, [&](int64_t begin, int64_t, int) { sum += begin; });
    total += sum;
  }
  EXPECT_EQ(total, 2000 * 45);
}

TEST(ThreadPool, ThreadsThatSleptJoinTheNextLoop) {
  ThreadPool pool(ThreadPoolOptions{2, true});
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // longer than anyone spins
    std::atomic<int> num_inside = 0;
    std::atomic<bool> have_met = false;
    pool.parallel_for(2, 1, [&](int64_t, int64_t, int) {
      ++num_inside;
      const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (num_inside < 2 && !have_met && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
      if (num_inside == 2) have_met = true;
      while (num_inside < 2 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
    });
    EXPECT_TRUE(have_met);
  }
}

TEST(ThreadPool, AnExceptionComesOutOnceAndThePoolLivesOn) {
  ThreadPool pool(3);
  for (int round = 0; round < 50; ++round) {
    EXPECT_THROW(pool.parallel_for(100, 1,
                                   [](int64_t begin, int64_t, int) {
                                     if (begin % 10 == 7) throw std::bad_alloc();
                                   }),
                 std::bad_alloc);
    std::atomic<int> count = 0;
    pool.parallel_for(100, 1, [&](int64_t, int64_t, int) { ++count; });
    EXPECT_EQ(count, 100);
  }
}

}  // namespace
}  // namespace saccade
