// The terminal's side of a long command: Ctrl-C, and a line that shows how far things are.
#pragma once

#include <string>
#include <string_view>

#include "platform/clock.h"

namespace saccade {

/// From here on the first Ctrl-C asks the work in hand to stop (is_interrupted), and the second ends the program.
void watch_for_interrupt();
bool is_interrupted();
/// Forgets an interrupt that has been acted on (a conversation goes on after it).
void clear_interrupt();

/// One line on stderr, rewritten in place. Appears only on a terminal, and only once the work has taken a second.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }

  void show(std::string_view stage, double fraction);
  void clear();

 private:
  Stopwatch clock_;
  bool is_terminal_;
  std::string shown_;
};

}  // namespace saccade
