// The server's log on stderr: a line for each request.
#pragma once

#include "server/api.h"

namespace saccade {

/// Lines of text, or of JSON objects. Thread safety of what it returns: any thread.
RequestLog make_request_log(bool is_json);

}  // namespace saccade
