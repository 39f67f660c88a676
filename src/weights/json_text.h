// JSON text from a file that may be hostile: no exceptions, a bound on size and depth.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "saccade/status.h"

namespace saccade {

using Json = nlohmann::json;

/// Parses an object. Errors: kCorruptData (not JSON, not an object, nested too deep); the caller adds the path.
Expected<Json> parse_json_object(std::string_view text);

/// The object in the file. Errors as above, with the path, kNotFound, and kResourceExhausted over 512 MiB.
Expected<Json> read_json_object(const std::string& path);

/// The member of an object, or null; never throws, whatever `object` is.
const Json* find_member(const Json& object, std::string_view name);

}  // namespace saccade
