#include "response/stop_matcher.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

namespace saccade {
namespace {

TEST(StopMatcher, ShowsTheSameTextHoweverItIsCut) {
  const std::string text = "one END two";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    for (size_t second = cut; second <= text.size(); ++second) {
      StopMatcher matcher({"END", "NEVER"});
      std::string shown = matcher.push(text.substr(0, cut));
      shown += matcher.push(text.substr(cut, second - cut));
      shown += matcher.push(text.substr(second));
      shown += matcher.finish();
      EXPECT_EQ(shown, "one ");
      EXPECT_TRUE(matcher.is_stopped());
    }
  }
}

TEST(StopMatcher, GivesBackWhatOnlyLookedLikeAStop) {
  StopMatcher matcher({"\n\n"});
  EXPECT_EQ(matcher.push("a\n"), "a");
  EXPECT_EQ(matcher.push("b\n"), "\nb");
  EXPECT_EQ(matcher.finish(), "\n");
  EXPECT_FALSE(matcher.is_stopped());
}

TEST(StopMatcher, TakesTheOneThatIsWholeFirstAndTheLongestOfThose) {
  EXPECT_EQ(StopMatcher({"cd", "bcx", "abcde"}).push("zabcde"), "zab");
  EXPECT_EQ(StopMatcher({"cd", "bcd", "d"}).push("zabcde"), "za");
}

// The rule of stop_matcher.h, word by word: what is shown of the whole text; nothing where no stop string is in it.
std::optional<std::string> cut_at_stop(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    for (size_t begin = 0; begin < end; ++begin) {
      for (const std::string& stop : stops) {
        if (text.substr(begin, end - begin) == stop) return text.substr(0, begin);
      }
    }
  }
  return std::nullopt;
}

TEST(StopMatcher, KeepsToItsRuleForEveryCutOfTheText) {
  std::mt19937 random(5);
  const auto draw = [&](size_t max_size) {
    std::string text(1 + random() % max_size, 'a');
    for (char& letter : text) letter = static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 200; ++round) {
    const std::string text = draw(9);
    std::vector<std::string> stops;
    while (stops.size() < 3) stops.push_back(draw(5));
    const std::optional<std::string> expected = cut_at_stop(text, stops);
    for (unsigned cuts = 0; cuts < 1U << (text.size() - 1); ++cuts) {  // bit i: a cut behind letter i
      StopMatcher matcher(stops);
      std::string shown;
      std::string piece;
      for (size_t i = 0; i < text.size(); ++i) {
        piece += text[i];
        if ((cuts >> i & 1U) == 0 && i + 1 < text.size()) continue;
        shown += matcher.push(piece);
        piece.clear();
      }
      shown += matcher.finish();
      ASSERT_EQ(shown, expected.value_or(text)) << text << ", cuts " << cuts;
      ASSERT_EQ(matcher.is_stopped(), expected.has_value());
    }
  }
}

}  // namespace
}  // namespace saccade
