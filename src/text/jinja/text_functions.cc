#include "text/jinja/text_functions.h"

#include <utf8proc.h>

#include "base/utf8.h"

namespace saccade::jinja {
namespace {

// Python's str.isspace.
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

struct Character {
  size_t begin, end;  // bytes
  char32_t code_point;
};

std::vector<Character> scan(std::string_view text) {
  std::vector<Character> result;
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    const char32_t code_point = next_code_point(text, position).code_point;
    result.push_back({begin, position, code_point});
  }
  return result;
}

MarkedText between(const MarkedText& text, size_t begin, size_t end) {
  return text.substr(begin, end - begin);
}

std::vector<MarkedText> split_at_spaces(const MarkedText& text, int64_t max_splits) {
  std::vector<MarkedText> parts;
  const std::vector<Character> all = scan(text.text());
  size_t i = 0;
  while (true) {
    while (i < all.size() && is_space(all[i].code_point)) ++i;
    if (i == all.size()) return parts;
    const size_t begin = all[i].begin;
    if (max_splits >= 0 && static_cast<int64_t>(parts.size()) == max_splits) {
      parts.push_back(strip(text.substr(begin), std::nullopt, false, true));
      return parts;
    }
    while (i < all.size() && !is_space(all[i].code_point)) ++i;
    parts.push_back(between(text, begin, i == all.size() ? text.size() : all[i].begin));
  }
}

}  // namespace

std::vector<MarkedText> characters(const MarkedText& text) {
  std::vector<MarkedText> result;
  for (const Character& c : scan(text.text())) result.push_back(between(text, c.begin, c.end));
  return result;
}

size_t count_characters(const MarkedText& text) {
  return scan(text.text()).size();
}

MarkedText strip(const MarkedText& text, std::optional<std::string_view> set, bool at_start, bool at_end) {
  const std::vector<Character> all = scan(text.text());
  const auto goes = [&](const Character& c) {
    if (!set) return is_space(c.code_point);
    return set->find(std::string_view(text.text()).substr(c.begin, c.end - c.begin)) != std::string_view::npos;
  };
  size_t begin = 0, end = all.size();
  while (at_start && begin < end && goes(all[begin])) ++begin;
  while (at_end && begin < end && goes(all[end - 1])) --end;
  if (begin == end) return {};
  return between(text, all[begin].begin, all[end - 1].end);
}

std::vector<MarkedText> split(const MarkedText& text, std::optional<std::string_view> separator, int64_t max_splits) {
  if (!separator) return split_at_spaces(text, max_splits);
  std::vector<MarkedText> parts;
  size_t begin = 0;
  while (max_splits < 0 || static_cast<int64_t>(parts.size()) < max_splits) {
    const size_t found = separator->empty() ? std::string::npos : text.text().find(*separator, begin);
    if (found == std::string::npos) break;
    parts.push_back(between(text, begin, found));
    begin = found + separator->size();
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::vector<MarkedText> split_lines(const MarkedText& text) {
  std::vector<MarkedText> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.text().find_first_of("\r\n", begin);
    if (end == std::string::npos) {
      lines.push_back(text.substr(begin));
      break;
    }
    lines.push_back(between(text, begin, end));
    begin = end + (text.text().compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return lines;
}

MarkedText replace(const MarkedText& text, std::string_view from, const MarkedText& to, int64_t max_count) {
  if (from.empty()) return text;
  MarkedText out;
  size_t begin = 0;
  for (int64_t count = 0; max_count < 0 || count < max_count; ++count) {
    const size_t found = text.text().find(from, begin);
    if (found == std::string::npos) break;
    out.append(between(text, begin, found));
    out.append(to);
    begin = found + from.size();
  }
  out.append(text.substr(begin));
  return out;
}

MarkedText change_case(const MarkedText& text, LetterCase letter_case) {
  MarkedText out;
  bool is_start = true;
  for (const Character& c : scan(text.text())) {
    const bool is_upper = letter_case == LetterCase::kUpper || (letter_case != LetterCase::kLower && is_start);
    const auto point = static_cast<utf8proc_int32_t>(c.code_point);
    const bool is_valid = c.end - c.begin > 1 || c.code_point < 0x80;
    std::string changed;
    if (!is_valid) {
      changed = text.text().substr(c.begin, c.end - c.begin);
    } else {
      append_utf8(static_cast<char32_t>(is_upper ? utf8proc_toupper(point) : utf8proc_tolower(point)), changed);
    }
    out.append(changed, text.origin(c.begin));
    if (letter_case == LetterCase::kTitle) {
      const auto category = is_valid ? utf8proc_category(point) : UTF8PROC_CATEGORY_CN;
      is_start = category < UTF8PROC_CATEGORY_LU || category > UTF8PROC_CATEGORY_LT;
    } else if (letter_case == LetterCase::kTitleFilter) {
      is_start =
          is_space(c.code_point) || std::u32string_view(U"-({[<").find(c.code_point) != std::u32string_view::npos;
    } else {
      is_start = false;
    }
  }
  return out;
}

MarkedText join(const std::vector<MarkedText>& parts, const MarkedText& separator) {
  MarkedText out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out.append(separator);
    out.append(parts[i]);
  }
  return out;
}

MarkedText indent(const MarkedText& text, size_t width, bool first, bool blank) {
  const std::string spaces(width, ' ');
  MarkedText out;
  const std::vector<MarkedText> lines = split(text, "\n", -1);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.append("\n");
    if (i == 0 ? first : blank || !lines[i].empty()) out.append(spaces);
    out.append(lines[i]);
  }
  return out;
}

}  // namespace saccade::jinja
