#include "cli/exit_code.h"

#include <cstdio>

namespace saccade {

int report_error(const Status& status) {
  std::fprintf(stderr, "saccade: error: %s\n", status.message().c_str());
  switch (status.code()) {
    case StatusCode::kOk:
      return kExitOk;
    case StatusCode::kInvalidArgument:
      return kExitUsage;
    case StatusCode::kNotFound:
      return kExitNotFound;
    case StatusCode::kCorruptData:
    case StatusCode::kUnsupported:
      return kExitBadFile;
    case StatusCode::kResourceExhausted:
      return kExitLimit;
    case StatusCode::kCancelled:
      return kExitInterrupted;
    case StatusCode::kIoError:
      return kExitIo;
    case StatusCode::kInternal:
      return kExitFailed;
  }
  return kExitFailed;
}

}  // namespace saccade
