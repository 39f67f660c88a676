// The log of a server, on stderr: a line for each request, and for what else there is to tell.
#pragma once

#include <functional>
#include <string>

#include "server/api.h"

namespace saccade {

/// Both may be called on any thread.
struct ServeLog {
  RequestLog requests;
  std::function<void(bool is_error, const std::string& message)> events;
};

/// `is_json`: an object a line.
ServeLog make_serve_log(bool is_json);

}  // namespace saccade
