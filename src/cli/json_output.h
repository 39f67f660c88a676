// What --json prints.
#pragma once

#include <nlohmann/json.hpp>

#include "saccade/status.h"

namespace saccade {

/// The object on one line of stdout; bytes that are not UTF-8 become U+FFFD.
void print_json(const nlohmann::ordered_json& json);

/// {"code": "not_found", "message": ...}, the value of "error" in the object of a command that failed.
nlohmann::ordered_json error_json(const Status& status);

}  // namespace saccade
