// What tells a request from every other.
#pragma once

#include <string>

namespace saccade {

/// "req-" and 96 random bits.
std::string new_request_id();

}  // namespace saccade
