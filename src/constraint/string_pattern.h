// Regular expressions over the characters of a JSON string.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "constraint/json_text.h"
#include "saccade/status.h"

namespace saccade {

/// A part of ECMA-262's regular expressions with the flag u, as JSON Schema has them: literals, ".", classes, \d \w \s
/// and their negations, groups (also named and non-capturing), alternatives, greedy and lazy * + ? {n} {n,} {n,m}, and
/// ^ and $ at the ends of the whole or of its alternatives. Where they are not anchored, texts need only contain a
/// match.
class StringPattern {
 public:
  static constexpr size_t kMaxBytes = 4096;
  static constexpr int kMaxDepth = 64;
  static constexpr uint32_t kMaxCount = 10'000;  // also of nested counts, multiplied

  /// Errors: kInvalidArgument, kUnsupported (look-around, back references, \b, \p{...}, anchors elsewhere),
  /// kResourceExhausted; with the byte of the pattern.
  static Expected<StringPattern> parse(std::string_view pattern);

  /// Characters of a match; Grammar::kUnlimited.
  uint32_t min_length() const;
  uint32_t max_length() const;

  /// The string with its quotes. Characters that need no escape have none.
  NodeId build(JsonText& text, NodeId next) const;

 private:
  friend class PatternParser;
  struct Part {
    enum class Kind : uint8_t { kSet, kSequence, kAlternatives, kRepeat };
    Kind kind = Kind::kSequence;
    std::vector<CodePointRange> set;
    std::vector<Part> parts;
    uint32_t min = 0;
    uint32_t max = 0;

    bool is_nullable() const { return min_length() == 0; }
    uint32_t min_length() const;
    uint32_t max_length() const;
    NodeId build(JsonText& text, NodeId next) const;
  };
  Part whole_;
};

}  // namespace saccade
