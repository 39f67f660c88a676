// Times a stage of an answer, however the stage ends.
#pragma once

#include "platform/clock.h"

namespace saccade {

/// Adds the milliseconds of its life to `total_ms`, which must outlive it.
class StageTimer {
 public:
  explicit StageTimer(double& total_ms) : total_ms_(total_ms) {}
  ~StageTimer() { total_ms_ += clock_.elapsed_ms(); }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  double& total_ms_;
  const Stopwatch clock_;
};

}  // namespace saccade
