// A monotonic clock in milliseconds.
#pragma once

namespace saccade {

/// Milliseconds since an arbitrary fixed point; never goes backwards.
double now_ms();

/// Measures from its construction.
class Stopwatch {
 public:
  Stopwatch() : start_ms_(now_ms()) {}
  double elapsed_ms() const { return now_ms() - start_ms_; }

 private:
  double start_ms_;
};

}  // namespace saccade
