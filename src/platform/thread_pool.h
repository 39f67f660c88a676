// A fixed set of threads that share the iterations of a loop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace saccade {

/// Thread safety: one loop at a time; parallel_for is called from the thread that owns the pool.
class ThreadPool {
 public:
  /// `num_threads` counts the caller, so 1 starts no thread. Values under 1 mean usable_cores(). Where the system
  /// refuses to start as many, there are fewer.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls `body(begin, end, thread_idx)` over disjoint ranges that cover [0, count), each of at most `grain`
  /// iterations; returns when all are done. thread_idx is in [0, num_threads()). `body` must not call
  /// parallel_for; if it throws, the loop is cut short and one of its exceptions comes out of here.
  using Body = std::function<void(int64_t begin, int64_t end, int thread_idx)>;
  void parallel_for(int64_t count, int64_t grain, const Body& body);

 private:
  void work(int thread_idx);
  void run_ranges(int thread_idx);

  // Constant after construction.
  std::vector<std::thread> workers_;
  // The loop in progress: written under mutex_ before the workers are woken.
  const Body* body_ = nullptr;
  int64_t count_ = 0;
  int64_t grain_ = 1;
  // Self-synchronised.
  std::atomic<int64_t> next_{0};
  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable start_;
  std::condition_variable done_;
  uint64_t generation_ = 0;
  int num_busy_ = 0;
  std::exception_ptr failure_;
  bool is_stopping_ = false;
};

}  // namespace saccade
