// A fixed set of threads that share the iterations of a loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace saccade {

struct ThreadPoolOptions {
  /// Counts the caller, so 1 starts no thread. Values under 1 mean usable_cores(). Where the system refuses to start as
  /// many, there are fewer.
  int num_threads = 0;
  /// Ties each thread to a core of its own, the caller to the first.
  bool is_pinned = false;
};

/// Each thread works through a part of the loop of its own from front to back, so that what it reads is one stream, and
/// then helps with what is left of the others'. A decoded token is some hundred loops of tens of microseconds, so
/// threads that have run out of work look out for the next loop for a while before they sleep. A loop does not wait for
/// a thread that has not joined it yet: one whose core is busy with something else costs what it would have done, no
/// more.
///
/// Thread safety: one loop at a time; parallel_for is called from the thread that owns the pool.
class ThreadPool {
 public:
  explicit ThreadPool(int num_threads) : ThreadPool(ThreadPoolOptions{num_threads, false}) {}
  explicit ThreadPool(const ThreadPoolOptions& options);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls `body(begin, end, thread_idx)` over disjoint ranges that cover [0, count), each of at most `grain`
  /// iterations; returns when all are done. thread_idx is in [0, num_threads()). `body` must not call
  /// parallel_for; if it throws, the loop is cut short and one of its exceptions comes out of here.
  using Body = FunctionRef<void(int64_t begin, int64_t end, int thread_idx)>;
  void parallel_for(int64_t count, int64_t grain, Body body);

 private:
  void work(int thread_idx);
  void run_ranges(int thread_idx);
  uint32_t wait_for_loop(uint32_t seen) const;
  void close_loop();

  struct alignas(64) Share {  // of the loop: what is left is [next, end)
    std::atomic<int64_t> next{0};
    int64_t end = 0;  // written while the loop is closed
  };

  // Constant after construction.
  std::vector<std::thread> workers_;
  int num_spins_ = 0;  // looks at an atomic before a thread sleeps on it
  // The loop in progress: written while it is closed and no worker is in it.
  const Body* body_ = nullptr;
  int64_t grain_ = 1;
  std::vector<Share> shares_;  // one for each thread
  // Self-synchronised. A loop is open while loop_ is odd; a worker first counts itself in, then looks whether it still
  // is.
  std::atomic<uint32_t> loop_{0};
  std::atomic<uint32_t> num_inside_{0};
  std::atomic<bool> is_stopping_{false};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;  // guarded by failure_mutex_
};

}  // namespace saccade
