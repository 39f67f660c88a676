#include "cli/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "base/format.h"

namespace saccade {
namespace {

volatile std::sig_atomic_t g_interrupts = 0;

extern "C" void on_interrupt(int signal_number) {
  g_interrupts = g_interrupts + 1;
  if (g_interrupts > 1) {
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
  }
}

}  // namespace

void watch_for_interrupt() {
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);  // no SA_RESTART: a read at the prompt ends too
  // A reader that goes away (`saccade ask ... | head`) shows up as a failed write, not as a signal.
  std::signal(SIGPIPE, SIG_IGN);
}

bool is_interrupted() {
  return g_interrupts > 0;
}

void clear_interrupt() {
  g_interrupts = 0;
}

ProgressLine::ProgressLine() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(std::string_view stage, double fraction) {
  if (!is_terminal_ || clock_.elapsed_ms() < 1000) return;
  constexpr int kWidth = 24;
  const int filled = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kWidth);
  std::string bar(static_cast<size_t>(filled), '#');
  bar.resize(kWidth, '.');
  std::string line = format("%-16.*s %s %3.0f %%", static_cast<int>(stage.size()), stage.data(), bar.c_str(),
                            100 * std::clamp(fraction, 0.0, 1.0));
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
