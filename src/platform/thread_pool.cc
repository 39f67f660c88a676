#include "platform/thread_pool.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "platform/process_memory.h"

namespace saccade {

ThreadPool::ThreadPool(int num_threads) {
  if (num_threads < 1) num_threads = usable_cores();
  workers_.reserve(static_cast<size_t>(num_threads) - 1);
  try {
    for (int thread_idx = 1; thread_idx < num_threads; ++thread_idx) {
      workers_.emplace_back([this, thread_idx] { work(thread_idx); });
    }
  } catch (const std::system_error&) {
    // The system gives no more threads: go on with those there are.
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  start_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_ranges(int thread_idx) {
  while (true) {
    const int64_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
    if (begin >= count_) return;
    try {
      (*body_)(begin, std::min(begin + grain_, count_), thread_idx);
    } catch (...) {  // out of memory, as a rule: the loop ends, and parallel_for throws it on
      next_.store(count_, std::memory_order_relaxed);
      std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
    }
  }
}

void ThreadPool::work(int thread_idx) {
  uint64_t seen = 0;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, [&] { return is_stopping_ || generation_ != seen; });
      if (is_stopping_) return;
      seen = generation_;
    }
    run_ranges(thread_idx);
    {
      std::lock_guard lock(mutex_);
      --num_busy_;
    }
    done_.notify_one();
  }
}

void ThreadPool::parallel_for(int64_t count, int64_t grain, const Body& body) {
  grain = std::max<int64_t>(grain, 1);
  if (count <= grain || workers_.empty()) {
    if (count > 0) body(0, count, 0);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    body_ = &body;
    count_ = count;
    grain_ = grain;
    next_.store(0, std::memory_order_relaxed);
    num_busy_ = static_cast<int>(workers_.size());
    ++generation_;
  }
  start_.notify_all();
  run_ranges(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return num_busy_ == 0; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace saccade
