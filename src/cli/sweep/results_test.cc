#include "cli/sweep/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace saccade {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ResultFileTest : public ::testing::Test {
 protected:
  // Of its own for each test, as they run at the same time.
  ResultFileTest()
      : path_(::testing::TempDir() + "sweep_results_test." +
              ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl") {
    std::filesystem::remove(path_);
  }
  ~ResultFileTest() override { std::filesystem::remove(path_); }

  static nlohmann::ordered_json header(const char* model) {
    return {{"sweep", 1}, {"model", model}, {"plans", {"full", "keep=9"}}};
  }

  static SweepResult result(int64_t item, const char* plan) {
    SweepResult result;
    result.item = item;
    result.plan = plan;
    result.answer = "a \"b\"\n\xff";
    result.is_right = item % 2 == 0 ? std::optional(true) : std::nullopt;
    result.latency_ms = 1.5;
    result.flops = {1e12, 2e9, 3.25};
    if (item == 0) result.same_picture = WarmTimes{4, 5};
    return result;
  }

  SweepRecord read() const {
    SweepRecord record;
    const auto file = ResultFile::open(path_, header("m.gguf"), false, record);
    EXPECT_TRUE(file.is_ok()) << file.status().message();
    return record;
  }

  void write_three() const {
    SweepRecord record;
    auto file = ResultFile::open(path_, header("m.gguf"), false, record);
    ASSERT_TRUE(file.is_ok()) << file.status().message();
    ASSERT_TRUE(file->add(result(0, "full")).is_ok());
    ASSERT_TRUE(file->add_refusal("keep=9", "it can't").is_ok());
    ASSERT_TRUE(file->add(result(1, "full")).is_ok());
  }

  std::string contents() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }

  const std::string path_;
};

TEST_F(ResultFileTest, GoesOnWhereItStopped) {
  write_three();
  const SweepRecord record = read();
  ASSERT_EQ(record.results.size(), 2u);
  EXPECT_EQ(record.refused.at("keep=9"), "it can't");
  const SweepResult* first = record.results.data();
  EXPECT_EQ(first->answer, "a \"b\"\n\xef\xbf\xbd") << "bytes that are not UTF-8 are replaced";
  EXPECT_EQ(first->is_right, true);
  EXPECT_EQ(first->flops.prefill, 2e9);
  ASSERT_TRUE(first->same_picture);
  EXPECT_EQ(first->same_picture->ttft_ms, 5);
  EXPECT_FALSE(first->other_picture);
  EXPECT_EQ(record.results[1].item, 1);
  EXPECT_FALSE(record.results[1].is_right);
}

TEST_F(ResultFileTest, ALastLineThatIsNotWholeIsCutOff) {
  write_three();
  const std::string whole = contents();
  for (const size_t num_lost : {1, 5, 200}) {
    std::ofstream(path_) << whole.substr(0, whole.size() - num_lost);
    SweepRecord record;
    {
      auto file = ResultFile::open(path_, header("m.gguf"), false, record);
      ASSERT_TRUE(file.is_ok()) << file.status().message();
      EXPECT_EQ(record.results.size(), 1u);
      ASSERT_TRUE(file->add(result(1, "full")).is_ok());
    }
    EXPECT_EQ(contents(), whole);
  }
}

TEST_F(ResultFileTest, AHeaderThatIsNotWholeIsWrittenAnew) {
  std::ofstream(path_) << "{\"sweep\":1,\"mod";
  EXPECT_TRUE(read().results.empty());
  EXPECT_THAT(contents(), HasSubstr("m.gguf"));
}

TEST_F(ResultFileTest, RefusesResultsOfAnotherSweep) {
  write_three();
  SweepRecord record;
  const auto other = ResultFile::open(path_, header("n.gguf"), false, record);
  EXPECT_EQ(other.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(other.status().message(), AllOf(HasSubstr("model"), HasSubstr("n.gguf"), HasSubstr("--restart")));
  EXPECT_TRUE(record.results.empty());
  ASSERT_TRUE(ResultFile::open(path_, header("n.gguf"), true, record).is_ok());
  EXPECT_EQ(contents(), header("n.gguf").dump() + "\n");
}

TEST_F(ResultFileTest, RefusesFilesOfAnotherKind) {
  SweepRecord record;
  for (const char* text : {"# notes\n", "notes without an end", "{\"image\": 1}\n"}) {
    std::ofstream(path_) << text;
    EXPECT_THAT(ResultFile::open(path_, header("m.gguf"), false, record).status().message(), HasSubstr("not a file"));
    EXPECT_EQ(contents(), text);
  }
  std::ofstream(path_) << header("m.gguf").dump() << "\n{\"item\": \"x\"}\n";
  EXPECT_THAT(ResultFile::open(path_, header("m.gguf"), false, record).status().message(), HasSubstr("jsonl:2"));
}

}  // namespace
}  // namespace saccade
