// What the program tells its caller of an outcome: the exit code (`saccade --help` and the README list them), one line
// on stderr and, where JSON was asked for, an object on stdout.
#pragma once

#include <functional>
#include <string_view>

#include "saccade/status.h"

namespace saccade {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,         // the evaluation or conversion ran, and its result is bad; a failure of the program's own
  kExitUsage = 2,          // a flag or argument makes no sense
  kExitNotFound = 3,       // a file that was named is not there
  kExitBadFile = 4,        // a file is damaged, or of a kind that is not supported
  kExitLimit = 5,          // over a limit: context, pixels, bytes, memory
  kExitIo = 6,             // the operating system refused: permissions, a full disk
  kExitInterrupted = 130,  // Ctrl-C, SIGTERM or SIGHUP
};

/// The code's name in JSON, such as "invalid_argument".
std::string_view error_name(StatusCode code);

/// Prints "saccade: error: <message>" on stderr.
void print_error(std::string_view message);

/// Prints the error and returns the exit code for it. With `is_json`, {"error": {"code", "message"}} goes to stdout
/// too.
int report_error(const Status& status, bool is_json = false);

/// Runs a command and returns its exit code. What it throws is reported: kExitLimit where memory ran out, kExitFailed
/// for anything else.
int run_guarded(bool is_json, const std::function<int()>& command);

}  // namespace saccade
