#include "cli/sweep/grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace saccade {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const GridFacts kFacts = {
    .visual_tokens = 576, .longest_side = 288, .num_layers = 8, .strategies = {"random", "divprune"}};

std::vector<std::string> texts_of(const std::vector<NamedPlan>& plans) {
  std::vector<std::string> texts;
  for (const NamedPlan& named : plans) texts.push_back(plan_text(named.plan));
  return texts;
}

TEST(SweepGrid, FollowsTheModelsNumbers) {
  const std::vector<std::string> texts = texts_of(make_grid("default", kFacts));
  for (const char* text : {"skip-equal=0", "keep=288,strategy=divprune", "keep=72,strategy=random", "resolution=216",
                           "resolution=144", "merge=18", "layers=0.85", "skip-equal=0,keep=144"}) {
    EXPECT_THAT(texts, Contains(text));
  }
  EXPECT_THAT(texts, Not(Contains(HasSubstr("tops")))) << "a strategy that is not there";
}

TEST(SweepGrid, NoPlanIsTwiceInABuiltInGrid) {
  for (const std::string& name : known_grids()) {
    const std::vector<NamedPlan> plans = make_grid(name, kFacts);
    const auto all = with_full_plan(plans, kFacts.strategies);
    ASSERT_TRUE(all.is_ok()) << name << ": " << all.status().message();
    EXPECT_EQ(all->size(), plans.size() + 1) << name;
    EXPECT_EQ((*all)[0].name, "full");
  }
}

TEST(SweepGrid, TheFullPlanComesFirstAndOnce) {
  const auto all = with_full_plan({*parse_named_plan("keep=9"), *parse_named_plan("all: full"),
                                   *parse_named_plan("nine: keep=9"), *parse_named_plan("layers=0.5")},
                                  {});
  ASSERT_TRUE(all.is_ok());
  EXPECT_THAT(texts_of(*all), ElementsAre("full", "keep=9", "layers=0.5"));
}

TEST(SweepGrid, RefusesWhatIsNotClear) {
  const auto two = with_full_plan({*parse_named_plan("a: keep=9"), *parse_named_plan("a: keep=8")}, {});
  EXPECT_THAT(two.status().message(), HasSubstr("two plans are named \"a\""));
  const auto full = with_full_plan({*parse_named_plan("full: keep=9")}, {});
  EXPECT_FALSE(full.is_ok());
  const auto strategy = with_full_plan({*parse_named_plan("keep=9,strategy=luck")}, {"random"});
  EXPECT_THAT(strategy.status().message(), HasSubstr("no strategy \"luck\"; there are random"));
}

TEST(SweepGrid, ReadsAFile) {
  const std::string path = ::testing::TempDir() + "sweep_grid_test_plans.txt";
  std::ofstream(path) << "# plans\n\nfull\nhalf: keep=288 # of 576\r\n";
  const auto plans = read_plans(path);
  ASSERT_TRUE(plans.is_ok()) << plans.status().message();
  EXPECT_THAT(texts_of(*plans), ElementsAre("full", "keep=288"));
  std::ofstream(path) << "full\nkeep=none\n";
  EXPECT_THAT(read_plans(path).status().message(), HasSubstr("plans.txt:2: plan \"keep=none\""));
  std::ofstream(path) << "# nothing\n";
  EXPECT_FALSE(read_plans(path).is_ok());
  std::filesystem::remove(path);
}

TEST(SweepGrid, GroupsPlans) {
  EXPECT_EQ(series_of(Plan()), "full");
  EXPECT_EQ(series_of(*parse_plan("keep=9")), "default strategy");
  EXPECT_EQ(series_of(*parse_plan("keep=9,strategy=random")), "random");
  EXPECT_EQ(series_of(*parse_plan("keep=9,layers=0.5")), "combined");
  EXPECT_TRUE(is_baseline(*parse_plan("keep=9,strategy=random")));
  EXPECT_TRUE(is_baseline(*parse_plan("resolution=100")));
  EXPECT_FALSE(is_baseline(Plan()));
}

}  // namespace
}  // namespace saccade
