// Which of several requests goes first.
#pragma once

#include <cstdint>
#include <limits>

namespace saccade {

/// The higher priority, then the earlier deadline (EDF; Liu and Layland, J. ACM 20(1), 1973), then who came first.
struct Urgency {
  int priority = 0;
  double deadline_ms = std::numeric_limits<double>::infinity();  // on the clock of now_ms()
  uint64_t order = 0;                                            // of arrival

  bool is_before(const Urgency& other) const {
    if (priority != other.priority) return priority > other.priority;
    if (deadline_ms != other.deadline_ms) return deadline_ms < other.deadline_ms;
    return order < other.order;
  }
};

}  // namespace saccade
