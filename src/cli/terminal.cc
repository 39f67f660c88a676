#include "cli/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "base/format.h"
#include "cli/exit_code.h"
#include "cli/printable_text.h"

namespace saccade {
namespace {

volatile std::sig_atomic_t g_interrupts = 0;
volatile std::sig_atomic_t g_is_terminated = 0;
volatile std::sig_atomic_t g_is_waiting = 0;
volatile std::sig_atomic_t g_is_stderr_terminal = 0;

// Calls only what a signal handler may.
[[noreturn]] void end_wait() {
  if (g_is_stderr_terminal != 0) {
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, "\n", 1);
  }
  ::_exit(kExitInterrupted);
}

extern "C" void on_interrupt(int signal_number) {
  g_interrupts = g_interrupts + 1;
  if (signal_number != SIGINT) g_is_terminated = 1;
  if (g_is_waiting != 0) end_wait();
  if (g_interrupts > 1) {
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
  }
}

}  // namespace

void watch_for_interrupt() {
  g_is_stderr_terminal = ::isatty(STDERR_FILENO);
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  struct sigaction inherited = {};
  ::sigaction(SIGHUP, nullptr, &inherited);
  if (inherited.sa_handler != SIG_IGN) ::sigaction(SIGHUP, &action, nullptr);
  // A reader that goes away (`saccade ask ... | head`) shows up as a failed write, not as a signal.
  std::signal(SIGPIPE, SIG_IGN);
}

bool is_interrupted() {
  return g_interrupts > 0;
}

bool is_terminated() {
  return g_is_terminated != 0;
}

void clear_interrupt() {
  g_interrupts = 0;
}

// Whichever comes first, a signal or this object: it ends the program here or in the handler.
InputWait::InputWait() {
  g_is_waiting = 1;
  if (is_interrupted()) end_wait();
}

InputWait::~InputWait() {
  g_is_waiting = 0;
}

bool write_out(std::string_view text) {
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  const std::string shown = is_terminal ? printable(text) : std::string(text);
  return std::fwrite(shown.data(), 1, shown.size(), stdout) == shown.size() && std::fflush(stdout) == 0;
}

std::string time_left(double ms) {
  const double minutes = ms / 60'000;
  if (minutes < 1.5) return format("%.0f s left", ms / 1000);
  return minutes < 90 ? format("%.0f min left", minutes) : format("%.1f h left", minutes / 60);
}

ProgressLine::ProgressLine() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(std::string_view stage, double fraction, std::string_view note) {
  if (!is_terminal_ || clock_.elapsed_ms() < 1000) return;
  constexpr int kWidth = 24;
  const int filled = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kWidth);
  std::string bar(static_cast<size_t>(filled), '#');
  bar.resize(kWidth, '.');
  std::string line = format("%-16.*s %s %3.0f %%", static_cast<int>(stage.size()), stage.data(), bar.c_str(),
                            100 * std::clamp(fraction, 0.0, 1.0));
  if (!note.empty()) line += "  " + std::string(note);
  line.resize(std::max(line.size(), shown_.size()), ' ');  // over what a longer line left
  if (line == shown_) return;
  shown_ = std::move(line);
  std::fprintf(stderr, "\r%s", shown_.c_str());
  std::fflush(stderr);
}

void ProgressLine::clear() {
  if (shown_.empty()) return;
  std::fprintf(stderr, "\r%*s\r", static_cast<int>(shown_.size()), "");
  std::fflush(stderr);
  shown_.clear();
}

}  // namespace saccade
