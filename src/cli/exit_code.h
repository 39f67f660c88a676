// What the program tells its caller by its exit code; `saccade --help` and the README list them.
#pragma once

#include "saccade/status.h"

namespace saccade {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,         // the evaluation or conversion ran, and its result is bad
  kExitUsage = 2,          // a flag or argument makes no sense
  kExitNotFound = 3,       // a file that was named is not there
  kExitBadFile = 4,        // a file is damaged, or of a kind that is not supported
  kExitLimit = 5,          // over a limit: context, pixels, bytes, memory
  kExitIo = 6,             // the operating system refused: permissions, a full disk
  kExitInterrupted = 130,  // Ctrl-C
};

/// Prints "saccade: error: <message>" on stderr and returns the code for it.
int report_error(const Status& status);

}  // namespace saccade
