#include "cli/calibrate/question_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <set>

#include "base/format.h"
#include "planner/quality_model.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;

// 40 pictures with 1 to 5 questions, every third of which counts.
class QuestionListTest : public ::testing::Test {
 protected:
  QuestionListTest() : path_(format("%squestions_%d.jsonl", ::testing::TempDir().c_str(), static_cast<int>(getpid()))) {
    std::ofstream file(path_);
    for (int picture = 0, i = 0; picture < 40; ++picture) {
      for (int k = 0; k <= picture % 5; ++k, ++i) {
        file << format(R"({"image": "p%d.png", "question": "%s", "answer": "x"})", picture,
                       i % 3 == 0 ? "How many?" : "Serial?")
             << "\n";
      }
    }
  }
  ~QuestionListTest() override { std::remove(path_.c_str()); }

  QuestionList read(int64_t limit = 0, uint64_t seed = 0) {
    auto list = read_questions(std::vector<std::string>{path_}, limit, seed, TaskRules());
    EXPECT_TRUE(list) << list.status().message();
    return *std::move(list);
  }
  static std::set<std::string> pictures_of(const QuestionList& list, const std::vector<int64_t>& questions) {
    std::set<std::string> pictures;
    for (const int64_t question : questions) pictures.insert(list.questions[static_cast<size_t>(question)].picture);
    return pictures;
  }

  const std::string path_;
};

TEST_F(QuestionListTest, ReadsSetsTogether) {
  const auto list = read_questions(std::vector<std::string>{path_, path_}, 0, 0, TaskRules());
  ASSERT_TRUE(list);
  EXPECT_EQ(list->questions.size(), 240);
  EXPECT_EQ(list->num_pictures(), 40);  // the same files
  EXPECT_EQ(list->item(120).image, "p0.png");
  const auto missing = read_questions(std::vector<std::string>{path_, "/nonexistent.jsonl"}, 0, 0, TaskRules());
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.status().message(), HasSubstr("/nonexistent.jsonl"));
}

TEST_F(QuestionListTest, PartsShareNoPicture) {
  const QuestionList list = read();
  const QuestionSplit split = split_by_picture(list, 0.4, 1);
  EXPECT_EQ(split.design.size() + split.certification.size(), list.questions.size());
  EXPECT_NEAR(static_cast<double>(split.design.size()) / 120, 0.4, 0.05);
  const std::set<std::string> design = pictures_of(list, split.design);
  for (const std::string& picture : pictures_of(list, split.certification)) EXPECT_FALSE(design.contains(picture));
  EXPECT_EQ(split_by_picture(list, 0.4, 1).design, split.design);
  EXPECT_NE(split_by_picture(list, 0.4, 2).design, split.design);
}

TEST_F(QuestionListTest, OneQuestionOfEachPictureIsDrawn) {
  const QuestionList list = read();
  const std::vector<int64_t> all = split_by_picture(list, 0, 1).certification;
  const std::vector<int64_t> drawn = one_of_each_picture(list, all, 3);
  EXPECT_EQ(drawn.size(), 40);
  EXPECT_EQ(pictures_of(list, drawn).size(), 40);
  EXPECT_NE(one_of_each_picture(list, all, 4), drawn);
}

TEST_F(QuestionListTest, KnowsClasses) {
  const QuestionList list = read();
  const std::vector<int64_t> all = split_by_picture(list, 0, 1).certification;
  EXPECT_EQ(of_class(list, all, "count").size(), 40);
  EXPECT_EQ(of_class(list, all, kAnyClass).size(), 120);
  EXPECT_TRUE(of_class(list, all, "read").empty());
}

TEST_F(QuestionListTest, LimitDraws) {
  EXPECT_EQ(read(10).questions.size(), 10);
  EXPECT_GT(read(10).num_pictures(), 3);
}

}  // namespace
}  // namespace saccade
