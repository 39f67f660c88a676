#include "decoder/speculation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace saccade {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(LookUp, GivesWhatFollowedTheLongestMatch) {
  // "3 4" was followed by 9 first and by 5 later; "2 3 4" only by 9.
  const std::vector<int32_t> tokens = {1, 2, 3, 4, 9, 8, 3, 4, 5, 7, 1, 2, 3, 4};
  EXPECT_THAT(look_up(tokens, 3), ElementsAre(9, 8, 3));
  const std::vector<int32_t> other = {1, 2, 3, 4, 9, 8, 3, 4, 5, 7, 6, 0, 3, 4};
  EXPECT_THAT(look_up(other, 2), ElementsAre(5, 7));
}

TEST(LookUp, GivesNothingWithoutAMatch) {
  EXPECT_THAT(look_up(std::vector<int32_t>{}, 4), IsEmpty());
  EXPECT_THAT(look_up(std::vector<int32_t>{1, 2, 3, 4, 5}, 4), IsEmpty());
  EXPECT_THAT(look_up(std::vector<int32_t>{1, 2, 3, 1, 2}, 0), IsEmpty());
}

TEST(LookUp, StopsBeforeWhatIsNoText) {
  EXPECT_THAT(look_up(std::vector<int32_t>{5, 6, 7, -1, 8, 5, 6}, 4), ElementsAre(7));
  EXPECT_THAT(look_up(std::vector<int32_t>{5, 6, -1, 7, 8, 5, 6}, 4), IsEmpty());
}

TEST(SpeculationGauge, GuessesWhileItPays) {
  SpeculationGauge gauge;
  EXPECT_EQ(gauge.worthwhile(5), 0);  // nothing is known yet
  gauge.record(0, 0, 10);
  EXPECT_GT(gauge.worthwhile(5), 0);
  for (int i = 0; i < 20; ++i) gauge.record(4, 4, 12);
  EXPECT_GE(gauge.worthwhile(5), 4);
  EXPECT_EQ(gauge.worthwhile(2), 2);
}

TEST(SpeculationGauge, StopsWhereGuessesAreWrongAndTriesAgainLater) {
  SpeculationGauge gauge;
  gauge.record(0, 0, 10);
  for (int i = 0; i < 20; ++i) gauge.record(4, 0, 14);
  EXPECT_EQ(gauge.worthwhile(5), 0);
  for (int i = 0; i < 40; ++i) gauge.record(0, 0, 10);
  EXPECT_EQ(gauge.worthwhile(5), 1);
}

TEST(SpeculationGauge, StopsWhereRowsCostAsMuchAsTheySave) {
  SpeculationGauge gauge;
  gauge.record(0, 0, 10);
  for (int guesses = 1; guesses <= kMaxGuesses; ++guesses) {
    for (int i = 0; i < 5; ++i) gauge.record(guesses, guesses, 10.0 * (guesses + 1));
  }
  EXPECT_EQ(gauge.worthwhile(kMaxGuesses), 0);
}

}  // namespace
}  // namespace saccade
