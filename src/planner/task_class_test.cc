#include "planner/task_class.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "planner/quality_model.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;

TEST(TaskClass, BuiltInRulesKnowCommonQuestions) {
  const TaskRules rules;
  EXPECT_EQ(rules.classify("How many lamps are there?"), "count");
  EXPECT_EQ(rules.classify("Where is the star?"), "locate");
  EXPECT_EQ(rules.classify("What is the total?"), "read");
  EXPECT_EQ(rules.classify("Which bar is the largest?"), "compare");
  EXPECT_EQ(rules.classify("Is the form signed?"), "check");
  EXPECT_EQ(rules.classify("What is the capital of this?"), "recognize");  // not a check: "is" is not its first word
  EXPECT_EQ(rules.classify("Describe the picture."), "describe");
  EXPECT_EQ(rules.classify("Serial?"), kAnyClass);
  EXPECT_EQ(rules.classify(""), kAnyClass);
}

TEST(TaskClass, MatchesWholeWordsInAnyCase) {
  const TaskRules rules;
  EXPECT_EQ(rules.classify("HOW  MANY?"), "count");
  EXPECT_EQ(rules.classify("Discount"), kAnyClass);
  EXPECT_EQ(rules.classify("the-count!"), "count");
}

TEST(TaskClass, RulesCanBeReplaced) {
  const auto rules = TaskRules::parse("# ours\nmeters: bar, kilo pascal\n\nyes: ^is  # only first\n");
  ASSERT_TRUE(rules);
  EXPECT_EQ(rules->classify("How many kilo-Pascal?"), "meters");
  EXPECT_EQ(rules->classify("Is it on?"), "yes");
  EXPECT_EQ(rules->classify("What is on?"), kAnyClass);
  EXPECT_EQ(TaskRules::parse("")->classify("How many?"), kAnyClass);
}

TEST(TaskClass, ErrorsNameTheLine) {
  for (const char* text : {"a: x\nno colon", "a: x\n: words", "a: x\ntwo names: words", "a: x\nb:", "a: x\nb: , ,"}) {
    const auto rules = TaskRules::parse(text);
    ASSERT_FALSE(rules) << text;
    EXPECT_EQ(rules.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(rules.status().message(), HasSubstr("line 2")) << text;
  }
}

TEST(TaskClass, RulesAreReadFromAFile) {
  const std::string path = testing::TempDir() + "task_rules_" + std::to_string(::getpid());
  std::ofstream(path) << "meters: bar\n";
  EXPECT_EQ(TaskRules::read(path)->classify("One bar?"), "meters");
  std::ofstream(path) << "meters: bar\n\noops\n";
  const Status wrong = TaskRules::read(path).status();
  EXPECT_EQ(wrong.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(wrong.message(), testing::AllOf(testing::StartsWith(path + ": "), HasSubstr("line 3")));
  std::filesystem::remove(path);
  EXPECT_EQ(TaskRules::read(path).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace saccade
