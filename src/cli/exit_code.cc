#include "cli/exit_code.h"

#include <cstdio>
#include <exception>
#include <new>

#include "cli/json_output.h"
#include "cli/printable_text.h"

namespace saccade {
namespace {

struct CodeFacts {
  const char* name;
  ExitCode exit_code;
};

CodeFacts facts_of(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return {"ok", kExitOk};
    case StatusCode::kInvalidArgument:
      return {"invalid_argument", kExitUsage};
    case StatusCode::kNotFound:
      return {"not_found", kExitNotFound};
    case StatusCode::kCorruptData:
      return {"corrupt_data", kExitBadFile};
    case StatusCode::kUnsupported:
      return {"unsupported", kExitBadFile};
    case StatusCode::kResourceExhausted:
    case StatusCode::kBudgetExceeded:
    case StatusCode::kOverloaded:
      return {"resource_exhausted", kExitLimit};
    case StatusCode::kCancelled:
      return {"cancelled", kExitInterrupted};
    case StatusCode::kIoError:
      return {"io_error", kExitIo};
    case StatusCode::kInternal:
      break;
  }
  return {"internal", kExitFailed};
}

}  // namespace

std::string_view error_name(StatusCode code) {
  return facts_of(code).name;
}

void print_error(std::string_view message) {
  std::fprintf(stderr, "saccade: error: %s\n", one_line(message).c_str());
}

int report_error(const Status& status, bool is_json) {
  print_error(status.message());
  if (is_json) print_json({{"error", error_json(status)}});
  return facts_of(status.code()).exit_code;
}

int run_guarded(bool is_json, const std::function<int()>& command) {
  try {
    return command();
  } catch (const std::bad_alloc&) {
    return report_error(resource_exhausted("there is not enough memory"), is_json);
  } catch (const std::exception& error) {
    return report_error(internal_error(std::string("an unexpected failure: ") + error.what()), is_json);
  }
}

}  // namespace saccade
