#include "platform/thread_pool.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "platform/cores.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace saccade {
namespace {

/// Tells the core that this is a loop that waits.
void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Some 50 microseconds: longer than what lies between two loops of a token, much shorter than what a sleeper saves.
constexpr int kNumSpins = 2000;

}  // namespace

ThreadPool::ThreadPool(const ThreadPoolOptions& options) {
  const int num_cores = usable_cores();
  const int num_threads = options.num_threads < 1 ? num_cores : options.num_threads;
  num_spins_ = num_threads <= num_cores ? kNumSpins : 0;  // who spins on a core that another needs is in the way
  shares_ = std::vector<Share>(static_cast<size_t>(num_threads));
  const std::vector<int> cores = options.is_pinned ? core_numbers() : std::vector<int>();
  if (!cores.empty()) pin_to_core(cores[0]);
  workers_.reserve(static_cast<size_t>(num_threads) - 1);
  try {
    for (int thread_idx = 1; thread_idx < num_threads; ++thread_idx) {
      workers_.emplace_back([this, thread_idx, cores] {
        if (!cores.empty()) pin_to_core(cores[static_cast<size_t>(thread_idx) % cores.size()]);
        work(thread_idx);
      });
    }
  } catch (const std::system_error&) {
    // The system gives no more threads: go on with those there are.
  }
}

ThreadPool::~ThreadPool() {
  is_stopping_.store(true);
  loop_.fetch_add(2);  // still closed, but another number than anyone sleeps on
  loop_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_ranges(int thread_idx) {
  for (int i = 0; i < num_threads(); ++i) {
    Share& share = shares_[static_cast<size_t>((thread_idx + i) % num_threads())];
    while (true) {
      const int64_t begin = share.next.fetch_add(grain_, std::memory_order_relaxed);
      if (begin >= share.end) break;
      try {
        (*body_)(begin, std::min(begin + grain_, share.end), thread_idx);
      } catch (...) {  // out of memory, as a rule: the loop ends, and parallel_for throws it on
        for (Share& other : shares_) other.next.store(other.end, std::memory_order_relaxed);
        std::lock_guard lock(failure_mutex_);
        failure_ = std::current_exception();
      }
    }
  }
}

/// Returns when loop_ is another number than `seen`.
uint32_t ThreadPool::wait_for_loop(uint32_t seen) const {
  for (int i = 0; i < num_spins_; ++i) {
    const uint32_t loop = loop_.load(std::memory_order_acquire);
    if (loop != seen) return loop;
    pause();
  }
  loop_.wait(seen, std::memory_order_acquire);
  return loop_.load(std::memory_order_acquire);
}

void ThreadPool::work(int thread_idx) {
  uint32_t seen = 0;
  while (true) {
    seen = wait_for_loop(seen);
    if (is_stopping_.load()) return;
    if (seen % 2 == 0) continue;
    num_inside_.fetch_add(1);
    if (loop_.load() == seen) run_ranges(thread_idx);
    if (num_inside_.fetch_sub(1) == 1) num_inside_.notify_one();
  }
}

/// Lets no more workers in, and waits for those that are.
void ThreadPool::close_loop() {
  loop_.fetch_add(1);
  for (int i = 0; i < num_spins_; ++i) {
    if (num_inside_.load() == 0) return;
    pause();
  }
  for (uint32_t inside = num_inside_.load(); inside != 0; inside = num_inside_.load()) num_inside_.wait(inside);
}

void ThreadPool::parallel_for(int64_t count, int64_t grain, Body body) {
  grain = std::max<int64_t>(grain, 1);
  if (count <= grain || workers_.empty()) {
    if (count > 0) body(0, count, 0);
    return;
  }
  body_ = &body;
  grain_ = grain;
  const int64_t num_ranges = (count + grain - 1) / grain;
  for (int i = 0; i < num_threads(); ++i) {
    Share& share = shares_[static_cast<size_t>(i)];
    share.next.store(num_ranges * i / num_threads() * grain, std::memory_order_relaxed);
    share.end = std::min(count, num_ranges * (i + 1) / num_threads() * grain);
  }
  loop_.fetch_add(1);
  loop_.notify_all();
  run_ranges(0);
  close_loop();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace saccade
