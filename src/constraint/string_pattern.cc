#include "constraint/string_pattern.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"

namespace saccade {
namespace {

using Ranges = std::vector<CodePointRange>;

const Ranges& digits() {
  static const Ranges kDigits = {{'0', '9'}};
  return kDigits;
}

const Ranges& word_characters() {
  static const Ranges kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return kWord;
}

const Ranges& spaces() {  // ECMA-262's WhiteSpace and LineTerminator
  static const Ranges kSpaces = {{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680},
                                 {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                                 {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  return kSpaces;
}

Ranges all() {
  return complement({});
}

uint32_t add(uint32_t a, uint32_t b) {
  return a > Grammar::kUnlimited - b ? Grammar::kUnlimited : a + b;
}

uint32_t multiply(uint32_t a, uint32_t b) {
  if (a == 0 || b == 0) return 0;
  return a > Grammar::kUnlimited / b ? Grammar::kUnlimited : a * b;
}

}  // namespace

class PatternParser {
 public:
  using Part = StringPattern::Part;

  explicit PatternParser(std::string_view pattern) : pattern_(pattern) {}

  Expected<Part> parse() {
    Part whole = {.kind = Part::Kind::kAlternatives, .set = {}, .parts = {}};
    while (true) {
      SACCADE_ASSIGN_OR_RETURN(Part alternative, parse_top_alternative());
      whole.parts.push_back(std::move(alternative));
      if (is_at_end()) break;
      if (peek() == ')') return invalid("there is a ) without its (");
      ++position_;  // parse_sequence stops at | else
    }
    return whole;
  }

 private:
  bool is_at_end() const { return position_ == pattern_.size(); }
  char peek(size_t ahead = 0) const { return position_ + ahead < pattern_.size() ? pattern_[position_ + ahead] : '\0'; }
  bool take(std::string_view text) {
    if (!pattern_.substr(position_).starts_with(text)) return false;
    position_ += text.size();
    return true;
  }

  std::string here() const { return format(", at byte %zu of the pattern", position_); }
  Status invalid(const std::string& what) const { return invalid_argument(what + here()); }
  Status refused(const std::string& what) const { return unsupported(what + " not supported" + here()); }

  static Part any_characters() {
    Part set = {.kind = Part::Kind::kSet, .set = all(), .parts = {}};
    return {.kind = Part::Kind::kRepeat, .set = {}, .parts = {std::move(set)}, .max = Grammar::kUnlimited};
  }

  // One of the whole's alternatives: without an anchor, anything may be in front of it or behind.
  Expected<Part> parse_top_alternative() {
    Part sequence;
    const bool begins = take("^");
    if (!begins) sequence.parts.push_back(any_characters());
    SACCADE_ASSIGN_OR_RETURN(Part middle, parse_sequence());
    sequence.parts.push_back(std::move(middle));
    if (take("$")) {
      if (!is_at_end() && peek() != '|') return refused("$ before the end of the pattern or of an alternative is");
    } else {
      sequence.parts.push_back(any_characters());
    }
    return sequence;
  }

  Expected<Part> parse_group() {
    if (take("?")) {
      if (peek() == '=' || peek() == '!' || take("<=") || take("<!")) return refused("look-around is");
      if (take("<")) {
        const size_t end = pattern_.find('>', position_);
        if (end == std::string_view::npos) return invalid("a group's name has no >");
        position_ = end + 1;
      } else if (!take(":")) {
        return refused("this kind of group is");
      }
    }
    if (++depth_ > StringPattern::kMaxDepth) {
      return resource_exhausted(format("groups are nested more than %d deep", StringPattern::kMaxDepth) + here());
    }
    Part group = {.kind = Part::Kind::kAlternatives, .set = {}, .parts = {}};
    do {
      SACCADE_ASSIGN_OR_RETURN(Part sequence, parse_sequence());
      if (peek() == '$') return refused("$ inside a group is");
      group.parts.push_back(std::move(sequence));
    } while (take("|"));
    if (!take(")")) return invalid("a ( has no )");
    --depth_;
    return group;
  }

  // Up to a | or ) or $ or the end.
  Expected<Part> parse_sequence() {
    Part sequence;
    while (!is_at_end() && peek() != '|' && peek() != ')' && peek() != '$') {
      if (peek() == '^') return refused("^ behind the beginning of the pattern or of an alternative is");
      SACCADE_ASSIGN_OR_RETURN(Part atom, parse_atom());
      SACCADE_ASSIGN_OR_RETURN(Part counted, parse_count(std::move(atom)));
      sequence.parts.push_back(std::move(counted));
    }
    return sequence;
  }

  static Part part_of(Ranges ranges) {
    return {.kind = Part::Kind::kSet, .set = normalized(std::move(ranges)), .parts = {}};
  }

  Expected<Part> parse_atom() {
    if (take("(")) return parse_group();
    if (take("[")) return parse_class();
    if (take(".")) return part_of(complement({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}));
    if (take("\\")) {
      SACCADE_ASSIGN_OR_RETURN(Ranges ranges, parse_escape(/*is_in_class=*/false));
      return part_of(std::move(ranges));
    }
    if (std::string_view("*+?{").find(peek()) != std::string_view::npos) {
      return invalid(format("%c has nothing in front of it to repeat", peek()));
    }
    if (peek() == '}' || peek() == ']') return invalid(format("%c must be written \\%c", peek(), peek()));
    const char32_t c = next_code_point(pattern_, position_).code_point;
    return part_of({{c, c}});
  }

  Expected<Part> parse_count(Part atom) {
    uint32_t min = 0;
    uint32_t max = Grammar::kUnlimited;
    if (take("*")) {
    } else if (take("+")) {
      min = 1;
    } else if (take("?")) {
      max = 1;
    } else if (take("{")) {
      SACCADE_ASSIGN_OR_RETURN(min, parse_number());
      max = min;
      if (take(",")) {
        max = Grammar::kUnlimited;
        if (peek() != '}') {
          SACCADE_ASSIGN_OR_RETURN(max, parse_number());
        }
      }
      if (!take("}")) return invalid("a { has no }");
      if (min > max) return invalid("the numbers in {} are the wrong way round");
    } else {
      return atom;
    }
    take("?");  // lazy: the same texts
    if (std::string_view("*+?{").find(peek()) != std::string_view::npos && !is_at_end()) {
      return invalid(format("%c has nothing in front of it to repeat", peek()));
    }
    Part repeat = {.kind = Part::Kind::kRepeat, .set = {}, .parts = {std::move(atom)}, .min = min, .max = max};
    if (counts_of(repeat) > StringPattern::kMaxCount) {
      return resource_exhausted(
          format("counts multiply to more than %u", static_cast<unsigned>(StringPattern::kMaxCount)) + here());
    }
    return repeat;
  }

  // What its nested counts multiply to.
  static uint32_t counts_of(const Part& part) {
    uint32_t inner = 1;
    for (const Part& child : part.parts) inner = std::max(inner, counts_of(child));
    if (part.kind != Part::Kind::kRepeat) return inner;
    return multiply(inner, std::max(1U, part.max == Grammar::kUnlimited ? part.min : part.max));
  }

  Expected<uint32_t> parse_number() {
    uint32_t number = 0;
    const size_t begin = position_;
    while (peek() >= '0' && peek() <= '9') {
      number = std::min(number * 10 + static_cast<uint32_t>(peek() - '0'), StringPattern::kMaxCount + 1);
      ++position_;
    }
    if (position_ == begin) return invalid("in {} there must be a number, or two; a { that stands for itself is \\{");
    return number;
  }

  Expected<char32_t> parse_hex(size_t min, size_t max) {
    char32_t value = 0;
    size_t num_digits = 0;
    for (; num_digits < max; ++num_digits) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) break;
      value = value * 16 + static_cast<char32_t>(digit);
      ++position_;
    }
    if (num_digits < min || value > kMaxCodePoint) return invalid("an escape is not a character's number");
    return value;
  }

  Expected<char32_t> parse_unicode_escape() {
    if (take("{")) {
      SACCADE_ASSIGN_OR_RETURN(const char32_t value, parse_hex(1, 6));
      if (!take("}")) return invalid("a \\u{ has no }");
      return value;
    }
    SACCADE_ASSIGN_OR_RETURN(const char32_t value, parse_hex(4, 4));
    if (value < 0xD800 || value > 0xDBFF) return value;
    if (!take("\\u")) return invalid("half of a surrogate pair stands alone");
    SACCADE_ASSIGN_OR_RETURN(const char32_t low, parse_hex(4, 4));
    if (low < 0xDC00 || low > 0xDFFF) return invalid("half of a surrogate pair stands alone");
    return 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
  }

  // Behind a backslash.
  Expected<Ranges> parse_escape(bool is_in_class) {
    if (is_at_end()) return invalid("a \\ is the last character");
    const char c = peek();
    const auto one = [](char32_t code_point) { return Ranges{{code_point, code_point}}; };
    if (std::string_view("^$\\.*+?()[]{}|/").find(c) != std::string_view::npos || (is_in_class && c == '-') ||
        std::string_view("\"'#%&,:;<=>@_`~! -").find(c) != std::string_view::npos) {
      ++position_;
      return one(static_cast<char32_t>(c));
    }
    ++position_;
    switch (c) {
      case 'd':
        return digits();
      case 'D':
        return complement(digits());
      case 'w':
        return word_characters();
      case 'W':
        return complement(word_characters());
      case 's':
        return spaces();
      case 'S':
        return complement(spaces());
      case 't':
        return one('\t');
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case 'x': {
        SACCADE_ASSIGN_OR_RETURN(const char32_t value, parse_hex(2, 2));
        return one(value);
      }
      case 'u': {
        SACCADE_ASSIGN_OR_RETURN(const char32_t value, parse_unicode_escape());
        return one(value);
      }
      case '0':
        if (peek() < '0' || peek() > '9') return one(0);
        break;
      case 'b':
        if (is_in_class) return one('\b');
        break;
      default:
        break;
    }
    --position_;
    return refused(format("\\%s is", quote(pattern_.substr(position_, 1)).c_str()));
  }

  Expected<Ranges> parse_class_member() {
    if (take("\\")) return parse_escape(/*is_in_class=*/true);
    const char32_t c = next_code_point(pattern_, position_).code_point;
    return Ranges{{c, c}};
  }

  // Behind its [.
  Expected<Part> parse_class() {
    const bool is_negated = take("^");
    Ranges ranges;
    while (!take("]")) {
      if (is_at_end()) return invalid("a [ has no ]");
      SACCADE_ASSIGN_OR_RETURN(const Ranges first, parse_class_member());
      if (peek() != '-' || peek(1) == ']') {
        ranges.insert(ranges.end(), first.begin(), first.end());
        continue;
      }
      ++position_;
      if (is_at_end()) return invalid("a [ has no ]");
      SACCADE_ASSIGN_OR_RETURN(const Ranges last, parse_class_member());
      const auto is_one = [](const Ranges& r) { return r.size() == 1 && r[0].low == r[0].high; };
      if (!is_one(first) || !is_one(last) || first[0].low > last[0].low) return invalid("a range in [] has no order");
      ranges.push_back({first[0].low, last[0].high});
    }
    if (is_negated) return part_of(complement(std::move(ranges)));
    return part_of(std::move(ranges));
  }

  std::string_view pattern_;
  size_t position_ = 0;
  int depth_ = 0;
};

Expected<StringPattern> StringPattern::parse(std::string_view pattern) {
  if (pattern.size() > kMaxBytes) {
    return resource_exhausted(format("the pattern has %zu bytes; at most %zu may be", pattern.size(), kMaxBytes));
  }
  StringPattern parsed;
  SACCADE_ASSIGN_OR_RETURN(parsed.whole_, PatternParser(pattern).parse());
  return parsed;
}

uint32_t StringPattern::Part::min_length() const {
  uint32_t sum = 0;
  uint32_t least = Grammar::kUnlimited;
  for (const Part& part : parts) {
    const uint32_t length = part.min_length();
    sum = add(sum, length);
    least = std::min(least, length);
  }
  switch (kind) {
    case Kind::kSet:
      return 1;
    case Kind::kSequence:
      return sum;
    case Kind::kAlternatives:
      return least;
    case Kind::kRepeat:
      break;
  }
  return multiply(min, sum);
}

uint32_t StringPattern::Part::max_length() const {
  uint32_t sum = 0;
  uint32_t most = 0;
  for (const Part& part : parts) {
    const uint32_t length = part.max_length();
    sum = add(sum, length);
    most = std::max(most, length);
  }
  switch (kind) {
    case Kind::kSet:
      return 1;
    case Kind::kSequence:
      return sum;
    case Kind::kAlternatives:
      return most;
    case Kind::kRepeat:
      break;
  }
  return multiply(max, sum);
}

uint32_t StringPattern::min_length() const {
  return whole_.min_length();
}

uint32_t StringPattern::max_length() const {
  return whole_.max_length();
}

NodeId StringPattern::Part::build(JsonText& text, NodeId next) const {
  GrammarBuilder& builder = text.builder();
  switch (kind) {
    case Kind::kSet:
      return text.characters(set, next);
    case Kind::kSequence:
      for (size_t i = parts.size(); i-- > 0;) next = parts[i].build(text, next);
      return next;
    case Kind::kAlternatives: {
      std::vector<NodeId> starts;
      for (const Part& part : parts) starts.push_back(part.build(text, next));
      return builder.any_of(std::move(starts));
    }
    case Kind::kRepeat:
      break;
  }
  const Part& part = parts.front();
  if (max == 1 && min == 0) return builder.any_of({part.build(text, next), next});
  if (max == Grammar::kUnlimited && min <= 1) {
    const NodeId loop = builder.reserve();
    const NodeId more = part.build(text, loop);
    builder.define(loop, {more, next});
    return min == 0 ? loop : more;
  }
  return builder.repeat(part.build(text, builder.end()), min, max, next, part.is_nullable());
}

NodeId StringPattern::build(JsonText& text, NodeId next) const {
  GrammarBuilder& builder = text.builder();
  return builder.literal("\"", whole_.build(text, builder.literal("\"", next)));
}

}  // namespace saccade
