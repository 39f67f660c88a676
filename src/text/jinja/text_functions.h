// Python's string methods over marked text: every byte of a result keeps its origin.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/jinja/marked_text.h"

namespace saccade::jinja {

/// The characters as strings of their own; an invalid byte is one too.
std::vector<MarkedText> characters(const MarkedText& text);
size_t count_characters(const MarkedText& text);

/// Without the characters of `set`, or without white space if there is none, at the chosen ends.
MarkedText strip(const MarkedText& text, std::optional<std::string_view> set, bool at_start, bool at_end);

/// At most `max_splits` splits, or any number if that is negative. An absent separator stands for runs of white space.
std::vector<MarkedText> split(const MarkedText& text, std::optional<std::string_view> separator, int64_t max_splits);
std::vector<MarkedText> split_lines(const MarkedText& text);

/// At most `max_count` times, or always if that is negative.
MarkedText replace(const MarkedText& text, std::string_view from, const MarkedText& to, int64_t max_count);

enum class LetterCase {
  kUpper,
  kLower,
  kCapitalized,  // the first character upper, the others lower
  kTitle,        // upper after anything but a letter
  kTitleFilter,  // upper at the start and after white space and - ( { [ <, as the filter "title" has it
};
MarkedText change_case(const MarkedText& text, LetterCase letter_case);

MarkedText join(const std::vector<MarkedText>& parts, const MarkedText& separator);

/// Every line but the first moved in by `width` spaces; empty ones only if `blank`, the first too if `first`.
MarkedText indent(const MarkedText& text, size_t width, bool first, bool blank);

}  // namespace saccade::jinja
