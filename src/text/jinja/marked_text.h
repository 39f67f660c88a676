// Text that remembers, byte by byte, who wrote it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace saccade::jinja {

enum class Origin : char {
  kTemplate = 't',  // literals of the template, and what its filters make up
  kUser = 'u',      // values that came in with a conversation
};

/// A string with one origin for each byte. Two are equal if their texts are.
class MarkedText {
 public:
  MarkedText() = default;
  explicit MarkedText(std::string_view text, Origin origin = Origin::kTemplate)
      : text_(text), marks_(text.size(), static_cast<char>(origin)) {}

  const std::string& text() const { return text_; }
  size_t size() const { return text_.size(); }
  bool empty() const { return text_.empty(); }
  Origin origin(size_t position) const { return static_cast<Origin>(marks_[position]); }

  void append(const MarkedText& other) {
    text_ += other.text_;
    marks_ += other.marks_;
  }
  void append(std::string_view text, Origin origin = Origin::kTemplate) {
    text_ += text;
    marks_.append(text.size(), static_cast<char>(origin));
  }
  MarkedText substr(size_t begin, size_t count = std::string::npos) const {
    MarkedText part;
    part.text_ = text_.substr(begin, count);
    part.marks_ = marks_.substr(begin, count);
    return part;
  }
  /// The end of the stretch of one origin that starts at `begin`.
  size_t end_of_run(size_t begin) const {
    const size_t end = marks_.find_first_not_of(marks_[begin], begin);
    return end == std::string::npos ? marks_.size() : end;
  }

 private:
  std::string text_;
  std::string marks_;  // an Origin for each byte of text_
};

}  // namespace saccade::jinja
