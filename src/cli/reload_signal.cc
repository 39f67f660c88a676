#include "cli/reload_signal.h"

#include <csignal>

namespace saccade {
namespace {

volatile std::sig_atomic_t g_is_reload_asked = 0;

extern "C" void on_reload(int) {
  g_is_reload_asked = 1;
}

}  // namespace

void watch_for_reload() {
  struct sigaction action = {};
  action.sa_handler = on_reload;
  ::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGHUP, &action, nullptr);
}

// One that comes in between asks for what is done next anyway.
bool take_reload() {
  const bool is_asked = g_is_reload_asked != 0;
  g_is_reload_asked = 0;
  return is_asked;
}

}  // namespace saccade
