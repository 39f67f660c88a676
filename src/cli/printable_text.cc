#include "cli/printable_text.h"

#include "base/format.h"
#include "base/utf8.h"

namespace saccade {
namespace {

bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

std::string escape_controls(std::string_view text, std::string_view kept) {
  std::string out;
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    const auto [code_point, is_valid] = next_code_point(text, position);
    if (!is_valid) {
      out += format("\\x%02x", static_cast<unsigned char>(text[begin]));
    } else if (is_control(code_point) && kept.find(text[begin]) == std::string_view::npos) {
      out += format("\\u%04x", static_cast<unsigned>(code_point));
    } else {
      out += text.substr(begin, position - begin);
    }
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) {
  return escape_controls(text, "\n\t");
}

std::string one_line(std::string_view text) {
  return escape_controls(text, "");
}

}  // namespace saccade
