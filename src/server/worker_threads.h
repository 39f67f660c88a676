// Threads for work that blocks: one for each request in flight, as many as there are requests, up to a limit.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace saccade {

/// Thread safety: any thread.
class WorkerThreads {
 public:
  explicit WorkerThreads(size_t max_threads) : max_threads_(max_threads) {}
  /// Waits for what is running.
  ~WorkerThreads();
  WorkerThreads(const WorkerThreads&) = delete;
  WorkerThreads& operator=(const WorkerThreads&) = delete;

  /// False where the limit is reached, or the system gives no more threads: the job is not run then. A job throws
  /// nothing.
  bool run(std::function<void()> job);

 private:
  void work();
  void join_finished(std::unique_lock<std::mutex>& lock);

  const size_t max_threads_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable has_job_;
  std::condition_variable has_ended_;
  std::deque<std::function<void()>> jobs_;  // each has an idle thread that will take it, or one just started
  size_t num_threads_ = 0;
  size_t num_idle_ = 0;
  std::vector<std::thread> threads_;  // that run, or have ended and are to be joined
  std::vector<std::thread::id> ended_;
  bool is_ending_ = false;
};

}  // namespace saccade
