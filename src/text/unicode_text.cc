#include "text/unicode_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

namespace saccade {
namespace {

int combining_class(utf8proc_int32_t code_point) {
  return utf8proc_get_property(code_point)->combining_class;
}

// Canonical decomposition in canonical order. utf8proc_decompose would do, but its sort is quadratic in the number of
// combining marks in a row, of which a hostile text may have a million.
std::vector<utf8proc_int32_t> decompose(std::string_view text) {
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    const auto point = static_cast<utf8proc_int32_t>(next_code_point(text, position).code_point);
    std::array<utf8proc_int32_t, 8> parts;  // canonical decompositions have at most four
    const auto count = utf8proc_decompose_char(point, parts.data(), parts.size(), UTF8PROC_DECOMPOSE, nullptr);
    if (count < 0 || static_cast<size_t>(count) > parts.size()) {
      points.push_back(point);
    } else {
      points.insert(points.end(), parts.begin(), parts.begin() + count);
    }
  }
  for (size_t i = 0; i < points.size();) {
    size_t end = i;
    while (end < points.size() && combining_class(points[end]) != 0) ++end;
    std::stable_sort(points.begin() + static_cast<ptrdiff_t>(i), points.begin() + static_cast<ptrdiff_t>(end),
                     [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    i = end + 1;
  }
  return points;
}

std::string compose_valid(std::string_view text) {
  std::vector<utf8proc_int32_t> points = decompose(text);
  const auto count = utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                                              static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  if (count < 0) return std::string(text);
  std::string composed;
  composed.reserve(text.size());
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) append_utf8(static_cast<char32_t>(points[i]), composed);
  return composed;
}

}  // namespace

std::string compose(std::string_view text) {
  const bool is_ascii = std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
  if (is_ascii) return std::string(text);
  std::string out;
  for_each_utf8_stretch(text, [&](std::string_view stretch, bool is_valid) {
    out += is_valid ? compose_valid(stretch) : std::string(stretch);
  });
  return out;
}

}  // namespace saccade
