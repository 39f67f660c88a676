#include "constraint/string_pattern.h"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "constraint/automaton.h"

namespace saccade {
namespace {

// std::regex tries all ways, which sanitizers make slow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kNumPatterns = 40;
#else
constexpr int kNumPatterns = 300;
#endif

std::shared_ptr<const Grammar> compile(const std::string& pattern) {
  const auto parsed = StringPattern::parse(pattern);
  EXPECT_TRUE(parsed) << pattern << ": " << parsed.status().message();
  if (!parsed) return nullptr;
  GrammarBuilder builder;
  JsonText text(builder);
  const NodeId start = parsed->build(text, builder.end());
  auto grammar = std::move(builder).build(start);
  EXPECT_TRUE(grammar) << pattern << ": " << grammar.status().message();
  return grammar ? std::make_shared<const Grammar>(*std::move(grammar)) : nullptr;
}

bool takes(const std::shared_ptr<const Grammar>& grammar, const std::string& characters) {
  ConstraintState state(grammar);
  for (const char c : nlohmann::json(characters).dump()) {
    if (!state.advance(static_cast<uint8_t>(c))) return false;
  }
  return state.may_end();
}

std::wstring wide(const std::string& text) {
  std::wstring result;
  for (size_t position = 0; position < text.size();) {
    result += static_cast<wchar_t>(next_code_point(text, position).code_point);
  }
  return result;
}

// Of pieces that are alike, so that what matches one pattern often almost matches another.
std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> kPieces = {"a", "b", "ab", "c",  "1",  "22", "-", "_",
                                                   " ", "é", "漢", "\n", "\"", "\\", "😀", "\x01"};
  std::string text;
  for (size_t count = random() % 7; count > 0; --count) text += kPieces[random() % kPieces.size()];
  return text;
}

std::string random_pattern(std::mt19937& random, int depth) {
  static const std::vector<std::string> kAtoms = {"a",     "b",    "c",          ".", "\\d",   "\\w", "\\W",  "\\s",
                                                  "[a-b]", "[^a]", "[^\\d\\-_]", "1", "\\x61", "é",   "[é漢]"};
  static const std::vector<std::string> kCounts = {"", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "{0,2}", "*?"};
  std::string pattern;
  for (size_t count = 1 + random() % 3; count > 0; --count) {
    if (depth < 2 && random() % 4 == 0) {
      const std::string inner = random_pattern(random, depth + 1);
      const std::string other = random_pattern(random, depth + 1);
      pattern += (random() % 2 == 0 ? "(" : "(?:") + inner + (random() % 2 == 0 ? "|" + other : "") + ")";
    } else {
      pattern += kAtoms[random() % kAtoms.size()];
    }
    pattern += kCounts[random() % kCounts.size()];
  }
  return pattern;
}

TEST(StringPatternTest, AgreesWithAnotherEngine) {
  std::mt19937 random(3);
  int num_matches = 0;
  for (int i = 0; i < kNumPatterns && !HasFailure(); ++i) {
    std::string pattern = random_pattern(random, 0);
    if (random() % 2 == 0) pattern = "^" + pattern;
    if (random() % 2 == 0) pattern += "$";
    SCOPED_TRACE(pattern);
    const std::wregex reference(wide(pattern));
    const auto grammar = compile(pattern);
    if (grammar == nullptr) return;
    for (int k = 0; k < 30; ++k) {
      const std::string text = random_text(random);
      const bool is_match = std::regex_search(wide(text), reference);
      num_matches += is_match ? 1 : 0;
      EXPECT_EQ(takes(grammar, text), is_match) << text;
    }
  }
  EXPECT_GT(num_matches, 5 * kNumPatterns / 2);
}

TEST(StringPatternTest, Lengths) {
  const auto lengths = [](const char* pattern) {
    const auto parsed = StringPattern::parse(pattern);
    EXPECT_TRUE(parsed) << pattern;
    return std::pair(parsed->min_length(), parsed->max_length());
  };
  EXPECT_EQ(lengths("^a{2,5}(b|cde)?$"), std::pair(2U, 8U));
  EXPECT_EQ(lengths("^(ab){3}$"), std::pair(6U, 6U));
  EXPECT_EQ(lengths("^a*$"), std::pair(0U, Grammar::kUnlimited));
  EXPECT_EQ(lengths("a"), std::pair(1U, Grammar::kUnlimited));
}

TEST(StringPatternTest, Escapes) {
  const auto grammar = compile("^\\u00e9\\u{1F600}\\uD83D\\uDE00\\x41\\t\\.\\/[\\]\\b-]\\0$");
  EXPECT_TRUE(takes(grammar, std::string("é😀😀A\t./]\0", 16)));
  EXPECT_TRUE(takes(grammar, std::string("é😀😀A\t./\b\0", 16)));
  EXPECT_FALSE(takes(grammar, std::string("é😀😀A\tx/]\0", 16)));
}

TEST(StringPatternTest, ErrorsSayWhere) {
  const std::vector<std::pair<const char*, StatusCode>> wrong = {
      {"a\\b", StatusCode::kUnsupported},      {"(a)\\1", StatusCode::kUnsupported},
      {"\\p{L}", StatusCode::kUnsupported},    {"a(?!b)", StatusCode::kUnsupported},
      {"(?<=a)b", StatusCode::kUnsupported},   {"(^a)", StatusCode::kUnsupported},
      {"(a$)", StatusCode::kUnsupported},      {"a$b", StatusCode::kUnsupported},
      {"a^b", StatusCode::kUnsupported},       {"(?i)a", StatusCode::kUnsupported},
      {"a**", StatusCode::kInvalidArgument},   {"*a", StatusCode::kInvalidArgument},
      {"(a", StatusCode::kInvalidArgument},    {"a)", StatusCode::kInvalidArgument},
      {"[b-a]", StatusCode::kInvalidArgument}, {"a{2,1}", StatusCode::kInvalidArgument},
      {"a{x}", StatusCode::kInvalidArgument},  {"\\", StatusCode::kInvalidArgument},
      {"[a", StatusCode::kInvalidArgument},    {"a]", StatusCode::kInvalidArgument},
      {"\\u12", StatusCode::kInvalidArgument}, {"\\uD800", StatusCode::kInvalidArgument}};
  for (const auto& [pattern, code] : wrong) {
    const auto parsed = StringPattern::parse(pattern);
    ASSERT_FALSE(parsed) << pattern;
    EXPECT_EQ(parsed.status().code(), code) << pattern;
    EXPECT_NE(parsed.status().message().find(", at byte "), std::string::npos) << parsed.status().message();
  }
}

TEST(StringPatternTest, EmptyRepetitionsEnd) {
  for (const char* pattern : {"^(a*)*$", "^(a?){0,1000}$", "^((a|b?)+c?){3,}$", "^(|a)+$", "^(a*){2,5}$"}) {
    const auto grammar = compile(pattern);
    EXPECT_TRUE(takes(grammar, "")) << pattern;
    EXPECT_TRUE(takes(grammar, "aaaa")) << pattern;
    EXPECT_FALSE(takes(grammar, "x")) << pattern;
  }
}

// A state of its own for every text of 20 characters: the automaton does not grow beyond what is read.
TEST(StringPatternTest, PatternsThatNoDeterministicAutomatonFits) {
  const auto grammar = compile("^[ab]*a[ab]{20}$");
  std::mt19937 random(1);
  std::string text;
  for (int i = 0; i < 200; ++i) text += random() % 2 == 0 ? 'a' : 'b';
  EXPECT_TRUE(takes(grammar, text + "a" + std::string(20, 'b')));
  EXPECT_FALSE(takes(grammar, text + "b" + std::string(20, 'b')));
}

}  // namespace
}  // namespace saccade
