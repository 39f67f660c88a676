#include "response/stop_matcher.h"

#include <gtest/gtest.h>

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

TEST(StopMatcher, TakesTheEarliestOfSeveral) {
  StopMatcher matcher({"cd", "bcx", "abcde"});
  EXPECT_EQ(matcher.push("zabcde"), "z");
}

}  // namespace
}  // namespace saccade
