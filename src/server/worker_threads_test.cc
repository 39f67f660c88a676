#include "server/worker_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace saccade {
namespace {

TEST(WorkerThreads, RunsJobsThatBlockAtTheSameTime) {
  constexpr int kJobs = 8;
  std::atomic<int> num_run = 0;
  {
    WorkerThreads workers(kJobs);
    std::latch all(kJobs);  // nobody gets by unless all are there
    for (int i = 0; i < kJobs; ++i) {
      ASSERT_TRUE(workers.run([&] {
        all.arrive_and_wait();
        ++num_run;
      }));
    }
  }
  EXPECT_EQ(num_run.load(), kJobs);
}

TEST(WorkerThreads, RefusesMoreThanItsLimit) {
  std::latch may_end(1);
  std::latch has_begun(2);
  WorkerThreads workers(2);
  const auto wait = [&] {
    has_begun.count_down();
    may_end.wait();
  };
  EXPECT_TRUE(workers.run(wait));
  EXPECT_TRUE(workers.run(wait));
  has_begun.wait();
  EXPECT_FALSE(workers.run([] {}));
  may_end.count_down();
}

TEST(WorkerThreads, UsesThreadsAgain) {
  WorkerThreads workers(1);
  std::atomic<int> num_run = 0;
  for (int i = 0; i < 1000; ++i) {
    while (!workers.run([&] { ++num_run; })) std::this_thread::yield();
  }
  while (num_run.load() < 1000) std::this_thread::yield();
}

}  // namespace
}  // namespace saccade
