#include "constraint/json_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"

namespace saccade {
namespace {

constexpr int kMaxIntegerDigits = 18;
constexpr int kMaxNumberDigits = 16;  // before the point, and behind it
constexpr int kMaxExponentDigits = 2;

// Escapes of one letter, and what they stand for.
constexpr std::array<std::pair<char, char>, 7> kShortEscapes = {
    {{'"', '"'}, {'\\', '\\'}, {'b', '\b'}, {'f', '\f'}, {'n', '\n'}, {'r', '\r'}, {'t', '\t'}}};

bool contains(const std::vector<CodePointRange>& ranges, char32_t code_point) {
  return std::ranges::any_of(ranges,
                             [&](const CodePointRange& r) { return r.low <= code_point && code_point <= r.high; });
}

// Appends the first bytes of what encodes `low` to `high` in UTF-8, which are of one length and differ in a way that is
// a product of ranges of bytes, or are cut until they are.
void add_utf8(GrammarBuilder& builder, char32_t low, char32_t high, NodeId next, std::vector<ByteEdge>& edges) {
  std::string first;
  std::string last;
  append_utf8(low, first);
  append_utf8(high, last);
  const size_t num_bytes = first.size();
  // From the last byte on: where the bytes behind a position are not the whole range, the ranges before it must be one
  // byte.
  for (size_t i = 1; i < num_bytes; ++i) {
    const char32_t block = char32_t{1} << (6 * (num_bytes - i));
    if (low / block == high / block) continue;  // the bytes before i are equal
    if (low % block != 0) {
      add_utf8(builder, low, low | (block - 1), next, edges);
      return add_utf8(builder, (low | (block - 1)) + 1, high, next, edges);
    }
    if (high % block != block - 1) {
      add_utf8(builder, low, high / block * block - 1, next, edges);
      return add_utf8(builder, high / block * block, high, next, edges);
    }
  }
  for (size_t i = num_bytes - 1; i > 0; --i) {
    next = builder.bytes({{static_cast<uint8_t>(first[i]), static_cast<uint8_t>(last[i]), next}});
  }
  edges.push_back({static_cast<uint8_t>(first[0]), static_cast<uint8_t>(last[0]), next});
}

}  // namespace

std::vector<CodePointRange> normalized(std::vector<CodePointRange> ranges) {
  std::ranges::sort(ranges);
  std::vector<CodePointRange> merged;
  for (const CodePointRange& range : ranges) {
    if (range.low > range.high) continue;
    if (!merged.empty() && range.low <= merged.back().high + 1) {
      merged.back().high = std::max(merged.back().high, range.high);
    } else {
      merged.push_back(range);
    }
  }
  std::vector<CodePointRange> result;
  for (const CodePointRange& range : merged) {
    const CodePointRange below = {range.low, std::min<char32_t>(range.high, 0xD7FF)};
    const CodePointRange above = {std::max<char32_t>(range.low, 0xE000), std::min(range.high, kMaxCodePoint)};
    if (below.low <= below.high) result.push_back(below);
    if (above.low <= above.high) result.push_back(above);
  }
  return result;
}

std::vector<CodePointRange> complement(std::vector<CodePointRange> ranges) {
  std::vector<CodePointRange> rest;
  char32_t next = 0;
  for (const CodePointRange& range : normalized(std::move(ranges))) {
    if (range.low > next) rest.push_back({next, range.low - 1});
    next = range.high + 1;
  }
  if (next <= kMaxCodePoint) rest.push_back({next, kMaxCodePoint});
  return normalized(std::move(rest));
}

NodeId JsonText::space(NodeId next) {
  if (!space_rule_) {
    const NodeId end = builder_.end();
    NodeId indent = end;
    for (int i = 0; i < kMaxIndent; ++i) indent = builder_.any_of({builder_.literal(" ", indent), end});
    space_rule_ = builder_.any_of({end, builder_.bytes({{' ', ' ', end}, {'\n', '\n', indent}})});
  }
  return builder_.call(*space_rule_, next);
}

NodeId JsonText::colon(NodeId next) {
  return builder_.literal(":", builder_.any_of({builder_.literal(" ", next), next}));
}

NodeId JsonText::character(NodeId next) {
  GrammarBuilder& b = builder_;
  const auto hex = [&](NodeId to) { return b.bytes({{'0', '9', to}, {'A', 'F', to}, {'a', 'f', to}}); };
  const NodeId hex2 = hex(hex(next));
  const NodeId low_surrogate = b.literal("\\u", b.bytes({{'D', 'D', b.bytes({{'C', 'F', hex2}, {'c', 'f', hex2}})},
                                                         {'d', 'd', b.bytes({{'C', 'F', hex2}, {'c', 'f', hex2}})}}));
  const NodeId high2 = hex(hex(low_surrogate));
  const NodeId after_d = b.bytes({{'0', '7', hex2}, {'8', '9', high2}, {'A', 'B', high2}, {'a', 'b', high2}});
  const NodeId hex3 = hex(hex2);
  const NodeId unicode = b.bytes({{'0', '9', hex3},
                                  {'A', 'C', hex3},
                                  {'E', 'F', hex3},
                                  {'a', 'c', hex3},
                                  {'e', 'f', hex3},
                                  {'D', 'D', after_d},
                                  {'d', 'd', after_d}});
  std::vector<ByteEdge> escapes = {{'u', 'u', unicode}, {'/', '/', next}};
  for (const auto& [letter, unused] : kShortEscapes) {
    escapes.push_back({static_cast<uint8_t>(letter), static_cast<uint8_t>(letter), next});
  }
  std::vector<ByteEdge> edges = {{'\\', '\\', b.bytes(std::move(escapes))}};
  for (const CodePointRange& range : complement({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}})) {
    static constexpr std::array<char32_t, 4> kEnds = {0x7F, 0x7FF, 0xFFFF, kMaxCodePoint};
    char32_t low = range.low;
    for (const char32_t end : kEnds) {
      if (low > end || low > range.high) continue;
      add_utf8(b, low, std::min(end, range.high), next, edges);
      low = end + 1;
    }
  }
  return b.bytes(std::move(edges));
}

NodeId JsonText::characters(const std::vector<CodePointRange>& ranges, NodeId next) {
  GrammarBuilder& b = builder_;
  std::vector<ByteEdge> edges;
  std::vector<ByteEdge> escapes;
  std::vector<ByteEdge> control_digits[2];  // behind \u000 and \u001
  for (char32_t c = 0; c < 0x20; ++c) {
    if (!contains(ranges, c)) continue;
    const bool is_short =
        std::ranges::any_of(kShortEscapes, [&](const auto& s) { return static_cast<char32_t>(s.second) == c; });
    if (is_short) continue;
    const char digit = "0123456789abcdef"[c % 16];
    control_digits[c / 16].push_back({static_cast<uint8_t>(digit), static_cast<uint8_t>(digit), next});
  }
  for (const auto& [letter, meant] : kShortEscapes) {
    if (!contains(ranges, static_cast<char32_t>(meant))) continue;
    escapes.push_back({static_cast<uint8_t>(letter), static_cast<uint8_t>(letter), next});
  }
  const NodeId controls = b.bytes([&] {
    std::vector<ByteEdge> tens;
    for (size_t i = 0; i < 2; ++i) {
      const auto digit = static_cast<uint8_t>('0' + i);
      if (!control_digits[i].empty()) tens.push_back({digit, digit, b.bytes(control_digits[i])});
    }
    return tens;
  }());
  if (controls != b.never()) escapes.push_back({'u', 'u', b.literal("00", controls)});
  if (!escapes.empty()) edges.push_back({'\\', '\\', b.bytes(std::move(escapes))});
  static constexpr std::array<CodePointRange, 6> kRaw = {
      {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x7F}, {0x80, 0x7FF}, {0x800, 0xFFFF}, {0x10000, kMaxCodePoint}}};
  for (const CodePointRange& range : ranges) {
    for (const CodePointRange& raw : kRaw) {
      const char32_t low = std::max(range.low, raw.low);
      const char32_t high = std::min(range.high, raw.high);
      if (low <= high) add_utf8(b, low, high, next, edges);
    }
  }
  return b.bytes(std::move(edges));
}

NodeId JsonText::string(uint32_t min, uint32_t max, NodeId next) {
  const NodeId quote = builder_.literal("\"", next);
  if (min <= 1 && max == Grammar::kUnlimited) {
    const NodeId loop = builder_.reserve();
    const NodeId more = character(loop);
    builder_.define(loop, {more, quote});
    return builder_.literal("\"", min == 0 ? loop : more);
  }
  return builder_.literal("\"", builder_.repeat(character(builder_.end()), min, max, quote));
}

NodeId JsonText::string_but(std::vector<std::u32string> excluded, NodeId next) {
  std::ranges::sort(excluded);
  const NodeId quote = builder_.literal("\"", next);
  const NodeId rest = builder_.reserve();
  builder_.define(rest, {character(rest), quote});
  return builder_.literal("\"", string_but_sorted(excluded, 0, rest, quote));
}

// `excluded` are alike up to `position`; from where a string differs from all of them it goes on at `rest`.
NodeId JsonText::string_but_sorted(std::span<const std::u32string> excluded, size_t position, NodeId rest,
                                   NodeId quote) {
  if (builder_.is_full()) return builder_.never();
  std::vector<NodeId> starts;
  size_t i = 0;
  while (i < excluded.size() && excluded[i].size() == position) ++i;
  if (i == 0) starts.push_back(quote);
  std::vector<CodePointRange> known;
  while (i < excluded.size()) {
    const char32_t c = excluded[i][position];
    const size_t begin = i;
    while (i < excluded.size() && excluded[i][position] == c) ++i;
    const NodeId child = string_but_sorted(excluded.subspan(begin, i - begin), position + 1, rest, quote);
    starts.push_back(characters({{c, c}}, child));
    known.push_back({c, c});
  }
  starts.push_back(characters(complement(std::move(known)), rest));
  return builder_.any_of(std::move(starts));
}

NodeId JsonText::digits(int min, int max, NodeId next) {
  NodeId node = next;
  for (int i = max; i > 0; --i) {
    const NodeId digit = builder_.bytes({{'0', '9', node}});
    node = i > min ? builder_.any_of({digit, next}) : digit;
  }
  return node;
}

NodeId JsonText::number(NodeId next) {
  GrammarBuilder& b = builder_;
  const NodeId power = digits(1, kMaxExponentDigits, next);
  const NodeId signed_power = b.any_of({power, b.bytes({{'+', '+', power}, {'-', '-', power}})});
  const NodeId exponent = b.any_of({next, b.bytes({{'E', 'E', signed_power}, {'e', 'e', signed_power}})});
  const NodeId fraction = b.any_of({exponent, b.literal(".", digits(1, kMaxNumberDigits, exponent))});
  const NodeId magnitude = b.bytes({{'0', '0', fraction}, {'1', '9', digits(0, kMaxNumberDigits - 1, fraction)}});
  return b.any_of({magnitude, b.literal("-", magnitude)});
}

NodeId JsonText::integer(NodeId next) {
  GrammarBuilder& b = builder_;
  const NodeId positive = b.bytes({{'1', '9', digits(0, kMaxIntegerDigits - 1, next)}});
  return b.any_of({b.literal("0", next), positive, b.literal("-", positive)});
}

NodeId JsonText::boolean(NodeId next) {
  return builder_.one_of({{"true", next}, {"false", next}});
}

NodeId JsonText::object_rule() {
  if (object_rule_) return *object_rule_;
  object_rule_ = builder_.reserve();
  const NodeId close_it = close('}', builder_.end());
  const NodeId more = builder_.reserve();
  const NodeId member = string(0, Grammar::kUnlimited, colon(value(more)));
  builder_.define(more, {comma(member), close_it});
  builder_.define(*object_rule_,
                  {builder_.literal("{", builder_.any_of({space(member), builder_.literal("}", builder_.end())}))});
  return *object_rule_;
}

NodeId JsonText::array_rule() {
  if (array_rule_) return *array_rule_;
  array_rule_ = builder_.reserve();
  const NodeId close_it = close(']', builder_.end());
  const NodeId more = builder_.reserve();
  const NodeId item = value(more);
  builder_.define(more, {comma(item), close_it});
  builder_.define(*array_rule_,
                  {builder_.literal("[", builder_.any_of({space(item), builder_.literal("]", builder_.end())}))});
  return *array_rule_;
}

NodeId JsonText::value_rule() {
  if (value_rule_) return *value_rule_;
  value_rule_ = builder_.reserve();
  const NodeId end = builder_.end();
  builder_.define(*value_rule_,
                  {object(end), array(end), string(0, Grammar::kUnlimited, end), number(end), boolean(end), null(end)});
  return *value_rule_;
}

}  // namespace saccade
