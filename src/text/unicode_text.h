// Unicode helpers of the tokenizers.
#pragma once

#include <string>
#include <string_view>

#include "base/utf8.h"

namespace saccade {

/// Calls `visit(stretch, is_valid)` for each maximal stretch of `text` that is, or is not, UTF-8.
template <typename Visit>
void for_each_utf8_stretch(std::string_view text, const Visit& visit) {
  size_t begin = 0;
  bool is_valid = true;
  for (size_t position = 0; position < text.size();) {
    const size_t start = position;
    const bool is_good = next_code_point(text, position).is_valid;
    if (is_good != is_valid) {
      if (start > begin) visit(text.substr(begin, start - begin), is_valid);
      begin = start;
      is_valid = is_good;
    }
  }
  if (begin < text.size()) visit(text.substr(begin), is_valid);
}

/// `text` in normalisation form C; stretches that are not UTF-8 are kept as they are. Time O(n log n).
std::string compose(std::string_view text);

}  // namespace saccade
