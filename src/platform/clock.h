// A monotonic clock in milliseconds, and the time of day.
#pragma once

#include <cstdint>

namespace saccade {

/// Milliseconds since an arbitrary fixed point; never goes backwards.
double now_ms();

/// Microseconds since 1970, UTC, as the system's clock has it: it may be set back.
int64_t wall_time_us();

/// At least as long.
void sleep_ms(int64_t ms);

/// Measures from its construction.
class Stopwatch {
 public:
  Stopwatch() : start_ms_(now_ms()) {}
  double elapsed_ms() const { return now_ms() - start_ms_; }

 private:
  double start_ms_;
};

}  // namespace saccade
