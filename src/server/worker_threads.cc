#include "server/worker_threads.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

namespace saccade {
namespace {

constexpr std::chrono::seconds kIdleTime{10};  // after which a thread ends

}  // namespace

WorkerThreads::~WorkerThreads() {
  std::unique_lock lock(mutex_);
  is_ending_ = true;
  has_job_.notify_all();
  has_ended_.wait(lock, [&] { return num_threads_ == 0; });
  join_finished(lock);
}

bool WorkerThreads::run(std::function<void()> job) {
  std::unique_lock lock(mutex_);
  join_finished(lock);
  if (is_ending_) return false;
  if (jobs_.size() < num_idle_) {
    jobs_.push_back(std::move(job));
    has_job_.notify_one();
    return true;
  }
  if (num_threads_ >= max_threads_) return false;
  jobs_.push_back(std::move(job));
  try {
    threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    jobs_.pop_back();
    return false;
  }
  ++num_threads_;
  return true;
}

void WorkerThreads::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (jobs_.empty()) {
      ++num_idle_;
      const bool is_woken = has_job_.wait_for(lock, kIdleTime, [&] { return !jobs_.empty() || is_ending_; });
      --num_idle_;
      if (!is_woken || jobs_.empty()) break;
    }
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
  --num_threads_;
  ended_.push_back(std::this_thread::get_id());
  has_ended_.notify_all();
}

// They have left work() but for its end, which needs the mutex no more.
void WorkerThreads::join_finished(std::unique_lock<std::mutex>&) {
  for (const std::thread::id id : ended_) {
    const auto thread = std::ranges::find(threads_, id, &std::thread::get_id);
    if (thread == threads_.end()) continue;
    thread->join();
    threads_.erase(thread);
  }
  ended_.clear();
}

}  // namespace saccade
