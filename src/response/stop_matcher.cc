#include "response/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace saccade {

std::string StopMatcher::push(std::string_view text) {
  if (is_stopped_) return {};
  held_ += text;
  size_t first = std::string::npos;
  size_t end = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t found = held_.find(stop);
    if (found == std::string::npos) continue;
    const size_t found_end = found + stop.size();
    if (found_end > end || (found_end == end && found > first)) continue;
    first = found;
    end = found_end;
  }
  if (first != std::string::npos) {
    is_stopped_ = true;
    std::string shown = held_.substr(0, first);
    held_.clear();
    return shown;
  }
  size_t num_held = 0;  // the longest tail of held_ that begins a stop string
  for (const std::string& stop : stops_) {
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > num_held; --length) {
      if (held_.ends_with(std::string_view(stop).substr(0, length))) num_held = length;
    }
  }
  std::string shown = held_.substr(0, held_.size() - num_held);
  held_.erase(0, shown.size());
  return shown;
}

std::string StopMatcher::finish() {
  return std::exchange(held_, {});
}

}  // namespace saccade
