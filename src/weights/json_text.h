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

/// Enough for any file of settings (the largest, a tokenizer_config.json of many added tokens, is of 1 to 2 MB). In
/// memory JSON takes up to ten times its size.
inline constexpr uint64_t kMaxSettingsBytes = 4 << 20;

/// The object in the file. Errors as above, with the path (and what the file is instead, if that is known), kNotFound,
/// and kResourceExhausted over `max_bytes`.
Expected<Json> read_json_object(const std::string& path, uint64_t max_bytes = kMaxSettingsBytes);

/// The member of an object, or null; never throws, whatever `object` is.
const Json* find_member(const Json& object, std::string_view name);

}  // namespace saccade
