#include "cli/eval_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace saccade {
namespace {

TEST(EvalSet, NamesTheLineAndTheField) {
  EXPECT_THAT(parse_eval_item("[]", "set.jsonl:3").status().message(), testing::StartsWith("set.jsonl:3: "));
  EXPECT_THAT(parse_eval_item(R"({"image": "a", "question": 1})", "f:1").status().message(),
              testing::HasSubstr("question"));
  EXPECT_THAT(parse_eval_item(R"({"image":"a","question":"q","answer":"x","tolerance":1})", "f:1").status().message(),
              testing::HasSubstr("not a number"));
  const auto good = parse_eval_item(R"({"image":"a","question":"q","answer":"7","tolerance":1,"accept":["8"]})", "f:1");
  ASSERT_TRUE(good.is_ok());
  EXPECT_EQ(good->kind, "unnamed");
  EXPECT_EQ(good->accept.size(), 1u);
}

TEST(EvalSet, AnswersMayBeMissingWhereTheyAreOptional) {
  constexpr const char* kLine = R"({"image": "a", "question": "q"})";
  EXPECT_FALSE(parse_eval_item(kLine, "f:1").is_ok());
  const auto item = parse_eval_item(kLine, "f:1", Labels::kOptional);
  ASSERT_TRUE(item.is_ok()) << item.status().message();
  EXPECT_FALSE(item->answer);
  EXPECT_FALSE(parse_eval_item(R"({"image": "a", "question": "q", "answer": 7})", "f:1", Labels::kOptional).is_ok());
  EXPECT_FALSE(parse_eval_item(R"({"image": "a", "question": "q", "tolerance": 7})", "f:1", Labels::kOptional).is_ok());
}

}  // namespace
}  // namespace saccade
