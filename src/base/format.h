// printf-style formatting into a std::string, and numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace saccade {

/// snprintf into a string of whatever length it needs.
[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...);

/// "24.0 MB", "3.9 GB": decimal units, three significant digits.
std::string format_bytes(uint64_t num_bytes);

/// "22.1 M", "6.74 B": counts of parameters.
std::string format_count(uint64_t count);

/// The text in double quotes with control characters and invalid UTF-8 as \xNN, cut after `max_bytes`: for names
/// that come out of a file and go into an error message.
std::string quote(std::string_view text, size_t max_bytes = 64);

}  // namespace saccade
