// Base64 (RFC 4648) as data URLs have it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"

namespace saccade {

/// Decodes in one pass into memory of just the right size. Takes the alphabet with + and /, padded or not, and, as the
/// text stands in JSON unread, a slash as "\/" too. Errors: kInvalidArgument with the position of what does not belong
/// there, or that the end is missing.
Expected<std::vector<std::byte>> decode_base64(std::string_view text);

/// With + and /, padded.
std::string encode_base64(std::span<const std::byte> bytes);

}  // namespace saccade
