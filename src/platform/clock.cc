#include "platform/clock.h"

#include <chrono>

namespace saccade {

double now_ms() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(since).count();
}

}  // namespace saccade
