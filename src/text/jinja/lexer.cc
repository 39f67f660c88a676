#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/format.h"
#include "base/utf8.h"

namespace saccade::jinja {
namespace {

constexpr std::string_view kWhiteSpace = " \t\n\r\v\f";

bool is_space(char c) {
  return kWhiteSpace.find(c) != std::string_view::npos;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// Line breaks as \n, and without the last one: Jinja's keep_trailing_newline is off.
std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Expected<std::vector<Token>> run() {
    while (position_ < source_.size()) {
      const size_t tag = find_tag(position_);
      add_text(tag);
      if (tag >= source_.size()) break;
      position_ = tag + 2;
      if (position_ < source_.size() && (source_[position_] == '-' || source_[position_] == '+')) ++position_;
      const char kind = source_[tag + 1];
      if (kind == '#') {
        SACCADE_RETURN_IF_ERROR(skip_comment());
      } else if (kind == '%' && at_raw()) {
        SACCADE_RETURN_IF_ERROR(lex_raw());
      } else {
        SACCADE_RETURN_IF_ERROR(lex_tag(kind == '%'));
      }
    }
    push(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  size_t find_tag(size_t from) const {
    for (; from + 1 < source_.size(); ++from) {
      if (source_[from] == '{' && std::string_view("%{#").find(source_[from + 1]) != std::string_view::npos) {
        return from;
      }
    }
    return source_.size();
  }

  // The text up to a tag at `end`, stripped as that tag's first characters ask.
  void add_text(size_t end) {
    std::string_view text = source_.substr(position_, end - position_);
    const bool is_at_line_start = position_ == 0 || source_[position_ - 1] == '\n';
    count_lines(text);
    if (end < source_.size()) {
      const char sign = end + 2 < source_.size() ? source_[end + 2] : '\0';
      if (sign == '-') {
        const size_t last = text.find_last_not_of(kWhiteSpace);
        text = text.substr(0, last == std::string_view::npos ? 0 : last + 1);
      } else if (sign != '+' && source_[end + 1] != '{') {
        const size_t line_break = text.rfind('\n');
        const size_t line = line_break == std::string_view::npos ? 0 : line_break + 1;
        const bool is_blank = std::all_of(text.begin() + static_cast<ptrdiff_t>(line), text.end(), is_space);
        if (is_blank && (line > 0 || is_at_line_start)) text = text.substr(0, line);
      }
    }
    if (!text.empty()) push(Token::Kind::kText, std::string(text));
  }

  // Moves past "%}" and its like at position_, with the sign before it and the white space that goes with it.
  void skip_end_of_tag(char sign, bool trims_newline) {
    position_ += 2;
    if (sign == '-') {
      while (position_ < source_.size() && is_space(source_[position_])) line_ += source_[position_++] == '\n';
    } else if (sign != '+' && trims_newline && position_ < source_.size() && source_[position_] == '\n') {
      ++position_;
      ++line_;
    }
  }

  Status skip_comment() {
    const size_t end = source_.find("#}", position_);
    if (end == std::string_view::npos) return error("a comment is not closed");
    count_lines(source_.substr(position_, end - position_));
    position_ = end;
    skip_end_of_tag(source_[end - 1], true);
    return {};
  }

  // Whether a "{%" just passed opens a raw block; its text is taken as it is up to endraw.
  bool at_raw() const {
    const size_t word = source_.find_first_not_of(kWhiteSpace, position_);
    return word != std::string_view::npos && source_.substr(word).starts_with("raw") && word + 3 < source_.size() &&
           (is_space(source_[word + 3]) || source_[word + 3] == '%' || source_[word + 3] == '-');
  }

  Status lex_raw() {
    const size_t begin = source_.find("%}", position_);
    if (begin == std::string_view::npos) return error("a raw block is not closed");
    position_ = begin;
    skip_end_of_tag(source_[begin - 1], true);
    for (size_t tag = source_.find("{%", position_); tag != std::string_view::npos; tag = source_.find("{%", tag + 2)) {
      const size_t word = source_.find_first_not_of(" \t\n-+", tag + 2);
      if (word == std::string_view::npos || !source_.substr(word).starts_with("endraw")) continue;
      const size_t end = source_.find("%}", word);
      if (end == std::string_view::npos) break;
      add_text(tag);
      position_ = end;
      skip_end_of_tag(source_[end - 1], true);
      return {};
    }
    return error("a raw block is not closed");
  }

  // The tokens of one {% %} or {{ }}, from after its opening to after its end.
  Status lex_tag(bool is_block) {
    push(is_block ? Token::Kind::kBlockBegin : Token::Kind::kVariableBegin, "");
    const std::string_view end = is_block ? "%}" : "}}";
    int num_open = 0;  // brackets: "}}" also closes two dictionaries
    while (true) {
      while (position_ < source_.size() && is_space(source_[position_])) line_ += source_[position_++] == '\n';
      if (position_ >= source_.size()) return error("a tag is not closed");
      const std::string_view rest = source_.substr(position_);
      const bool has_sign = rest[0] == '-' || rest[0] == '+';
      if (num_open == 0 && rest.substr(has_sign ? 1 : 0).starts_with(end)) {
        push(is_block ? Token::Kind::kBlockEnd : Token::Kind::kVariableEnd, "");
        position_ += has_sign ? 1 : 0;
        skip_end_of_tag(has_sign ? rest[0] : '\0', is_block);
        return {};
      }
      SACCADE_RETURN_IF_ERROR(lex_expression_token());
      const Token& last = tokens_.back();
      if (last.kind != Token::Kind::kOperator) continue;
      if (last.text == "(" || last.text == "[" || last.text == "{") ++num_open;
      if (last.text == ")" || last.text == "]" || last.text == "}") num_open = std::max(0, num_open - 1);
    }
  }

  Status lex_expression_token() {
    const char first = source_[position_];
    if (first == '"' || first == '\'') return lex_string(first);
    if (is_digit(first)) return lex_number();
    size_t end = position_;
    if (is_name_start(first)) {
      while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) ++end;
      push(Token::Kind::kName, std::string(source_.substr(position_, end - position_)));
      position_ = end;
      return {};
    }
    static constexpr std::array<std::string_view, 6> kLong = {"//", "**", "==", "!=", "<=", ">="};
    const std::string_view two = source_.substr(position_, 2);
    const bool is_long = std::find(kLong.begin(), kLong.end(), two) != kLong.end();
    if (!is_long && std::string_view("()[]{}+-*/%~<>=.,:|;").find(first) == std::string_view::npos) {
      return error(format("unexpected character %s", quote(source_.substr(position_, 1)).c_str()));
    }
    push(Token::Kind::kOperator, std::string(source_.substr(position_, is_long ? 2 : 1)));
    position_ += is_long ? 2 : 1;
    return {};
  }

  Status lex_number() {
    const auto skip_digits = [this](size_t from) {
      while (from < source_.size() && (is_digit(source_[from]) || source_[from] == '_')) ++from;
      return from;
    };
    const auto has_digit = [this](size_t at) { return at < source_.size() && is_digit(source_[at]); };
    size_t end = skip_digits(position_);
    bool is_float = false;
    if (end < source_.size() && source_[end] == '.' && has_digit(end + 1)) {
      is_float = true;
      end = skip_digits(end + 1);
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const bool has_sign = end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-');
      if (has_digit(end + (has_sign ? 2 : 1))) {
        is_float = true;
        end = skip_digits(end + (has_sign ? 2 : 1));
      }
    }
    std::string digits(source_.substr(position_, end - position_));
    std::erase(digits, '_');
    if (digits.size() > 64) return error("a number is too long");
    push(is_float ? Token::Kind::kFloat : Token::Kind::kInteger, std::move(digits));
    position_ = end;
    return {};
  }

  Status lex_string(char quote_mark) {
    std::string text;
    for (++position_; position_ < source_.size() && source_[position_] != quote_mark;) {
      const char c = source_[position_++];
      line_ += c == '\n';
      if (c != '\\' || position_ >= source_.size()) {
        text += c;
      } else {
        append_escape(text);
      }
    }
    if (position_ >= source_.size()) return error("a string is not closed");
    ++position_;
    push(Token::Kind::kString, std::move(text));
    return {};
  }

  // Python's escapes; position_ is after the backslash.
  void append_escape(std::string& out) {
    const char kind = source_[position_++];
    static constexpr std::string_view kNames = "abfnrtv0\\'\"";
    static constexpr std::string_view kBytes("\a\b\f\n\r\t\v\0\\'\"", 11);
    if (const size_t simple = kNames.find(kind); simple != std::string_view::npos) {
      out += kBytes[simple];
      return;
    }
    if (kind == '\n') return;  // a line continued
    const size_t num_digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    const std::string_view digits = source_.substr(position_, num_digits);
    const bool is_hex = num_digits > 0 && digits.size() == num_digits &&
                        digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    const unsigned long code_point = is_hex ? std::stoul(std::string(digits), nullptr, 16) : 0;
    if (!is_hex || code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000)) {
      out += '\\';
      out += kind;
      return;
    }
    append_utf8(static_cast<char32_t>(code_point), out);
    position_ += num_digits;
  }

  void count_lines(std::string_view text) { line_ += static_cast<int>(std::count(text.begin(), text.end(), '\n')); }
  void push(Token::Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  Status error(const std::string& what) const { return unsupported(format("line %d: %s", line_, what.c_str())); }

  std::string_view source_;
  size_t position_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

Expected<std::vector<Token>> tokenize(std::string_view source) {
  const std::string normalized = normalize_newlines(source);
  return Lexer(normalized).run();
}

}  // namespace saccade::jinja
