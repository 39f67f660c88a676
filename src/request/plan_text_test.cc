#include "request/plan_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace saccade {
namespace {

// Every part once, in the order of plan_text().
constexpr const char* kAllParts =
    "pictures=none,earlier-pictures=text,detail=low,picture-tokens=200,scale=0.5,resolution=168,crop-margins,skip-"
    "equal=0,skip-equal-margin=0,merge=4,"
    "encoder-keep=0.4,encoder-layers=0.75,keep=144,keep-share=0.25,strategy=divprune,keep-threshold=-0.1,repack,layers="
    "0.6,"
    "skip-layers=3+5,freeze-layers=2,prune=8:0.5+16:0.25,prune-fastv=2:0.5,exit=0.9,plan-seed=7";

std::string error_of(std::string_view text) {
  const auto plan = parse_named_plan(text);
  return plan ? "no error" : plan.status().message();
}

TEST(PlanText, ReadsEveryPart) {
  const auto plan = parse_plan(kAllParts);
  ASSERT_TRUE(plan.is_ok()) << plan.status().message();
  EXPECT_EQ(plan->pictures, PictureUse::kNone);
  EXPECT_EQ(plan->earlier_pictures, PictureUse::kText);
  EXPECT_EQ(plan->detail, Detail::kLow);
  EXPECT_EQ(plan->picture_tokens, 200);
  EXPECT_EQ(plan->scale, 0.5);
  EXPECT_EQ(plan->keep_share, 0.25);
  EXPECT_EQ(plan->resolution, 168);
  EXPECT_TRUE(plan->crops_margins);
  EXPECT_EQ(plan->skip_equal, 0);
  EXPECT_EQ(plan->skip_equal_margin, 0);
  EXPECT_EQ(plan->merge, 4);
  EXPECT_EQ(plan->encoder_keep, 0.4);
  EXPECT_EQ(plan->encoder_layers, 0.75);
  EXPECT_EQ(plan->keep, 144);
  EXPECT_EQ(plan->strategy, "divprune");
  EXPECT_EQ(plan->keep_threshold, -0.1);
  EXPECT_TRUE(plan->repacks_positions);
  EXPECT_EQ(plan->layers, 0.6);
  EXPECT_THAT(plan->skipped_layers, testing::ElementsAre(3, 5));
  EXPECT_THAT(plan->frozen_layers, testing::ElementsAre(2));
  ASSERT_EQ(plan->prunings.size(), 3u);
  EXPECT_EQ(plan->prunings[0].layer, 2);
  EXPECT_TRUE(plan->prunings[0].ranks_before);
  EXPECT_EQ(plan->prunings[2].keep_share, 0.25);
  EXPECT_EQ(plan->exit, 0.9);
  EXPECT_EQ(plan->seed, 7u);
}

TEST(PlanText, WritesWhatItReads) {
  for (const char* text : {kAllParts, "full", "keep=1", "layers=0.1", "skip-equal=255,merge=1", "prune-fastv=2:0.3"}) {
    const auto plan = parse_plan(text);
    ASSERT_TRUE(plan.is_ok()) << plan.status().message();
    EXPECT_EQ(plan_text(*plan), text);
  }
  const std::vector<std::string> known = known_plan_parts();
  EXPECT_EQ(plan_parts(*parse_plan(kAllParts)), known);
  EXPECT_TRUE(plan_parts(Plan()).empty());
}

TEST(PlanText, TakesANameInFront) {
  const auto named = parse_named_plan(" half : prune=8:0.5 , keep=288\r");
  ASSERT_TRUE(named.is_ok()) << named.status().message();
  EXPECT_EQ(named->name, "half");
  EXPECT_EQ(plan_text(named->plan), "keep=288,prune=8:0.5");
  EXPECT_EQ(parse_named_plan("prune=8:0.5")->name, "prune=8:0.5");
  EXPECT_EQ(parse_named_plan("repack,prune=8:0.5")->name, "repack,prune=8:0.5");
  EXPECT_EQ(parse_named_plan("full")->name, "full");
  EXPECT_EQ(parse_named_plan("all of it: full")->name, "all of it");
}

TEST(PlanText, NamesThePartThatIsWrong) {
  using testing::AllOf;
  using testing::HasSubstr;
  EXPECT_THAT(error_of("keep=0"), AllOf(HasSubstr("plan \"keep=0\": keep is \"0\""), HasSubstr("1 or more")));
  EXPECT_THAT(error_of("keep=1,kep=2"), AllOf(HasSubstr("\"kep\""), HasSubstr("encoder-keep")));
  EXPECT_THAT(error_of("keep"), HasSubstr("keep needs a value"));
  EXPECT_THAT(error_of("repack=1"), HasSubstr("repack takes no value"));
  EXPECT_THAT(error_of("keep=1,keep=2"), HasSubstr("keep is there twice"));
  EXPECT_THAT(error_of("keep=1,"), HasSubstr("no part \"\""));
  EXPECT_THAT(error_of(""), HasSubstr("no part \"\""));
  EXPECT_THAT(error_of(": keep=1"), HasSubstr("empty name"));
  for (const char* text : {"layers=0", "layers=1.1", "layers=nan", "skip-equal=256", "prune=8", "prune=8:0",
                           "prune=-1:0.5", "skip-layers=3+", "exit=x", "merge=0", "strategy=", "resolution=1.5",
                           "detail=fine", "skip-equal-margin=-1", "picture-tokens=0", "plan-seed=-1"}) {
    EXPECT_THAT(error_of(text), HasSubstr("it must be")) << text;
  }
}

}  // namespace
}  // namespace saccade
