// When to try again what failed: after a pause that doubles with every failure (a circuit breaker).
#pragma once

#include <algorithm>
#include <functional>
#include <mutex>
#include <utility>

#include "platform/clock.h"

namespace saccade {

struct BackoffOptions {
  double first_pause_ms = 250;
  double longest_pause_ms = 30'000;
  std::function<double()> clock_ms = now_ms;  // monotonic
};

/// Thread safety: any thread.
class Backoff {
 public:
  explicit Backoff(BackoffOptions options) : options_(std::move(options)) {}

  /// Whether to try. After a pause one caller is let through, and the others when that one has succeeded, so that a
  /// server which hangs holds up one of them; who is let through must call succeeded() or failed().
  bool may_try() {
    const std::lock_guard lock(mutex_);
    if (pause_ms_ == 0) return true;
    const double time_ms = options_.clock_ms();
    if (time_ms < resume_at_ms_) return false;
    resume_at_ms_ = time_ms + pause_ms_;  // for the others, while this one tries
    return true;
  }

  void succeeded() {
    const std::lock_guard lock(mutex_);
    pause_ms_ = 0;
  }

  void failed() {
    const std::lock_guard lock(mutex_);
    const double time_ms = options_.clock_ms();
    // Of several that fail together, the first counts.
    if (pause_ms_ > 0 && time_ms < failed_at_ms_ + pause_ms_ / 2) return;
    pause_ms_ = pause_ms_ == 0 ? options_.first_pause_ms : std::min(2 * pause_ms_, options_.longest_pause_ms);
    failed_at_ms_ = time_ms;
    resume_at_ms_ = time_ms + pause_ms_;
  }

  bool is_paused() const {
    const std::lock_guard lock(mutex_);
    return pause_ms_ > 0;
  }

 private:
  const BackoffOptions options_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  double pause_ms_ = 0;  // 0: all is well
  double failed_at_ms_ = 0;
  double resume_at_ms_ = 0;
};

}  // namespace saccade
