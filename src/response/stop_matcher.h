// Ends an answer at a stop string without ever showing a part of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace saccade {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// Adds text of the answer and returns what can be shown now: all but a tail that may be the start of a stop string.
  /// Once a stop string is whole, everything from it on is dropped, now and later. The one that is whole first counts;
  /// of several that end together, the longest. So what is shown does not depend on how the text was cut.
  std::string push(std::string_view text);
  /// What was held back, at the end of the answer; empty if a stop string was found.
  std::string finish();

  bool is_stopped() const { return is_stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool is_stopped_ = false;
};

}  // namespace saccade
