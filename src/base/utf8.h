// UTF-8, one code point at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace saccade {

/// Bytes that a sequence starting with `lead` should have: 1 to 4, or 0 if no sequence starts with it.
size_t utf8_sequence_bytes(unsigned char lead);

/// Decodes the code point at `text[position]` and moves `position` past it. An invalid byte decodes as itself with
/// `is_valid` false and moves by one.
struct DecodedCodePoint {
  char32_t code_point;
  bool is_valid;
};
DecodedCodePoint next_code_point(std::string_view text, size_t& position);

void append_utf8(char32_t code_point, std::string& out);

bool is_valid_utf8(std::string_view text);

/// The length of the longest prefix of `text` that does not end inside a UTF-8 sequence. Bytes that can never become
/// a valid sequence count as whole.
size_t complete_utf8_prefix(std::string_view text);

}  // namespace saccade
