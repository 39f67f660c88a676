// The terminal's side of a command: its output, Ctrl-C, and a line that shows how far things are.
#pragma once

#include <string>
#include <string_view>

#include "platform/clock.h"

namespace saccade {

/// From here on the first Ctrl-C, SIGTERM or SIGHUP asks the work in hand to stop (is_interrupted), and the second ends
/// the program. A SIGHUP that the parent ignores (nohup) stays ignored.
void watch_for_interrupt();
bool is_interrupted();
/// True if the program was asked to end (SIGTERM, SIGHUP), and not only to leave what it is doing.
bool is_terminated();
/// Forgets an interrupt that has been acted on (a conversation goes on after it).
void clear_interrupt();

/// While it lives, the program waits for input and has nothing else in hand: an interrupt ends it at once, with
/// kExitInterrupted.
class InputWait {
 public:
  InputWait();
  ~InputWait();
  InputWait(const InputWait&) = delete;
  InputWait& operator=(const InputWait&) = delete;
};

/// Writes to stdout at once. Where that is a terminal, control characters are escaped (printable()). False where the
/// text could not be written: the reader is gone, the disk is full.
bool write_out(std::string_view text);

/// "40 s left", "12 min left", "2.5 h left".
std::string time_left(double ms);

/// One line on stderr, rewritten in place. Appears only on a terminal, and only once the work has taken a second.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }

  /// `note` stands behind the bar: "3 min left".
  void show(std::string_view stage, double fraction, std::string_view note = {});
  void clear();

 private:
  Stopwatch clock_;
  bool is_terminal_;
  std::string shown_;
};

}  // namespace saccade
