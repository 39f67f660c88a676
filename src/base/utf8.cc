#include "base/utf8.h"

namespace saccade {

size_t utf8_sequence_bytes(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

namespace {

// True when `second` may follow `lead`: refuses overlong forms, surrogates and code points over U+10FFFF (RFC 3629).
bool is_valid_second(unsigned char lead, unsigned char second) {
  switch (lead) {
    case 0xE0:
      return second >= 0xA0 && second <= 0xBF;
    case 0xED:
      return second >= 0x80 && second <= 0x9F;
    case 0xF0:
      return second >= 0x90 && second <= 0xBF;
    case 0xF4:
      return second >= 0x80 && second <= 0x8F;
    default:
      return second >= 0x80 && second <= 0xBF;
  }
}

// How many bytes from `position` on are a prefix of a valid sequence (at most its length).
size_t valid_prefix_bytes(std::string_view text, size_t position, size_t length) {
  const auto lead = static_cast<unsigned char>(text[position]);
  size_t count = 1;
  while (count < length && position + count < text.size()) {
    const auto byte = static_cast<unsigned char>(text[position + count]);
    const bool is_good = count == 1 ? is_valid_second(lead, byte) : (byte & 0xC0) == 0x80;
    if (!is_good) break;
    ++count;
  }
  return count;
}

}  // namespace

DecodedCodePoint next_code_point(std::string_view text, size_t& position) {
  const auto lead = static_cast<unsigned char>(text[position]);
  const size_t length = utf8_sequence_bytes(lead);
  if (length == 0 || valid_prefix_bytes(text, position, length) != length) {
    ++position;
    return {lead, false};
  }
  char32_t code_point = length == 1 ? lead : lead & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    code_point = (code_point << 6) | (static_cast<unsigned char>(text[position + i]) & 0x3Fu);
  }
  position += length;
  return {code_point, true};
}

void append_utf8(char32_t code_point, std::string& out) {
  const auto byte = [&out](char32_t value) { out.push_back(static_cast<char>(value)); };
  if (code_point < 0x80) {
    byte(code_point);
  } else if (code_point < 0x800) {
    byte(0xC0 | (code_point >> 6));
    byte(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    byte(0xE0 | (code_point >> 12));
    byte(0x80 | ((code_point >> 6) & 0x3F));
    byte(0x80 | (code_point & 0x3F));
  } else {
    byte(0xF0 | (code_point >> 18));
    byte(0x80 | ((code_point >> 12) & 0x3F));
    byte(0x80 | ((code_point >> 6) & 0x3F));
    byte(0x80 | (code_point & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  for (size_t position = 0; position < text.size();) {
    if (!next_code_point(text, position).is_valid) return false;
  }
  return true;
}

size_t complete_utf8_prefix(std::string_view text) {
  // Only the last three bytes can be the start of an unfinished sequence.
  const size_t first = text.size() > 3 ? text.size() - 3 : 0;
  for (size_t start = text.size(); start-- > first;) {
    const size_t length = utf8_sequence_bytes(static_cast<unsigned char>(text[start]));
    if (length <= 1) continue;
    const size_t have = text.size() - start;
    if (have < length && valid_prefix_bytes(text, start, length) == have) return start;
  }
  return text.size();
}

}  // namespace saccade
