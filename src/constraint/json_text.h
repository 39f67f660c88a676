// Parts of JSON texts (RFC 8259) as grammar.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "constraint/grammar.h"

namespace saccade {

/// Code points from `low` to `high`.
struct CodePointRange {
  char32_t low = 0;
  char32_t high = 0;
  auto operator<=>(const CodePointRange&) const = default;  // NOLINT(modernize-use-nullptr): a false alarm
};

inline constexpr char32_t kMaxCodePoint = 0x10FFFF;

/// Sorted, without overlaps, without surrogates.
std::vector<CodePointRange> normalized(std::vector<CodePointRange> ranges);
/// All code points that are in none of the ranges.
std::vector<CodePointRange> complement(std::vector<CodePointRange> ranges);

/// Writes JSON into a grammar. Between tokens there is room for what a formatted text has there, and no more, so that a
/// model can't go on in spaces: behind a bracket or a comma, and before a closing bracket, a space or a line break with
/// an indentation; behind a colon a space. Each function takes what follows, as GrammarBuilder does.
class JsonText {
 public:
  static constexpr int kMaxIndent = 32;

  explicit JsonText(GrammarBuilder& builder) : builder_(builder) {}

  GrammarBuilder& builder() { return builder_; }

  NodeId space(NodeId next);
  NodeId colon(NodeId next);
  NodeId comma(NodeId next) { return builder_.literal(",", space(next)); }

  /// A character of a string, however it is written: in UTF-8, or escaped (characters beyond the basic plane as pairs).
  NodeId character(NodeId next);
  /// One of the characters in UTF-8; those that can't stand in a string as they are, escaped in the shortest way.
  NodeId characters(const std::vector<CodePointRange>& ranges, NodeId next);
  /// Any string of `min` to `max` characters.
  NodeId string(uint32_t min, uint32_t max, NodeId next);
  /// Any string but these. As far as it begins like one of them, its characters are written as characters() writes
  /// them. Goes as deep as the longest is long.
  NodeId string_but(std::vector<std::u32string> excluded, NodeId next);

  /// Digits are limited, so that every number is one for whoever reads it: the largest under 1e116.
  NodeId number(NodeId next);
  /// Up to 18 digits, without fraction or exponent.
  NodeId integer(NodeId next);
  NodeId boolean(NodeId next);
  NodeId null(NodeId next) { return builder_.literal("null", next); }
  /// A closing bracket behind something.
  NodeId close(char bracket, NodeId next) { return space(builder_.literal({&bracket, 1}, next)); }

  NodeId object(NodeId next) { return builder_.call(object_rule(), next); }
  NodeId array(NodeId next) { return builder_.call(array_rule(), next); }
  NodeId value(NodeId next) { return builder_.call(value_rule(), next); }

 private:
  NodeId digits(int min, int max, NodeId next);
  NodeId object_rule();
  NodeId array_rule();
  NodeId value_rule();
  NodeId string_but_sorted(std::span<const std::u32string> excluded, size_t position, NodeId rest, NodeId next);

  GrammarBuilder& builder_;
  std::optional<NodeId> space_rule_;
  std::optional<NodeId> object_rule_;
  std::optional<NodeId> array_rule_;
  std::optional<NodeId> value_rule_;
};

}  // namespace saccade
