#include "planner/quality_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "base/format.h"

namespace saccade {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

const MeasuredModel kModel = {"a.gguf", 1234, "mmproj.gguf", 99, "learned"};

QualityTable table() {
  QualityTable made;
  made.is_calibrated = true;
  made.source = "set.jsonl: 10 questions";
  made.delta = 0.1;
  ClassQuality& any = made.classes[kAnyClass];
  any.full_score = 0.96;
  any.curves = {{{{1, 0}, {0.5, 0.25}},
                 {{0, 0}, {1, 0}, {3, 0.02}},
                 {{1, 0}},
                 {{1, 0}, {0.25, 0.01}},
                 {{1, 0}},
                 {{0, 0}, {4, 0.9}}}};
  Levers levers;
  levers[Lever::kSkip] = 2;
  levers[Lever::kKeep] = 0.25;
  any.ladder = {{levers, 300, 1.0 / 300}};
  made.classes["read"] = any;
  return made;
}

class QualityFileTest : public ::testing::Test {
 protected:
  QualityFileTest() : path_(format("%squality_%d.json", ::testing::TempDir().c_str(), static_cast<int>(getpid()))) {}
  ~QualityFileTest() override { std::remove(path_.c_str()); }

  std::string written() {
    EXPECT_TRUE(write_quality_file(path_, kModel, table()).is_ok());
    std::stringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  Expected<std::optional<QualityTable>> read(const std::string& text) {
    std::ofstream(path_) << text;
    return read_quality_file(path_, kModel);
  }
  void fails(const std::string& text, StatusCode code, const char* word) {
    const auto read_table = read(text);
    ASSERT_FALSE(read_table) << text;
    EXPECT_EQ(read_table.status().code(), code);
    EXPECT_THAT(read_table.status().message(), AllOf(HasSubstr(path_), HasSubstr(word)));
  }

  const std::string path_;
};

TEST_F(QualityFileTest, KeepsATable) {
  const auto read_table = read(written());
  ASSERT_TRUE(read_table && *read_table) << read_table.status().message();
  const QualityTable& got = **read_table;
  const QualityTable put = table();
  EXPECT_TRUE(got.is_calibrated);
  EXPECT_EQ(got.source, table().source);
  EXPECT_EQ(got.delta, 0.1);
  ASSERT_EQ(got.classes.size(), 2);
  const ClassQuality& any = got.of("something else");
  EXPECT_EQ(any.full_score, 0.96);
  for (size_t i = 0; i < kNumLevers; ++i) {
    const std::vector<LossPoint>& curve = put.classes.at(kAnyClass).curves[i];
    ASSERT_EQ(any.curves[i].size(), curve.size());
    for (size_t k = 0; k < curve.size(); ++k) {
      EXPECT_EQ(any.curves[i][k].value, curve[k].value);
      EXPECT_EQ(any.curves[i][k].loss, curve[k].loss);
    }
  }
  ASSERT_EQ(any.ladder.size(), 1);
  EXPECT_EQ(any.ladder[0].levers, put.classes.at(kAnyClass).ladder[0].levers);
  EXPECT_EQ(any.ladder[0].num_questions, 300);
  EXPECT_EQ(any.ladder[0].mean_loss, 1.0 / 300);
}

TEST_F(QualityFileTest, IsNotNeeded) {
  EXPECT_EQ(quality_file_path("models/a.gguf"), "models/a.gguf.quality.json");
  const auto none = read_quality_file("/nonexistent/a.gguf.quality.json", kModel);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
}

TEST_F(QualityFileTest, RefusesAnotherModelsTable) {
  const std::string text = written();
  for (const auto& [model, word] :
       {std::pair{MeasuredModel{"b.gguf", 1234, "mmproj.gguf", 99, "learned"}, "\"b.gguf\" of 1234"},
        {MeasuredModel{"a.gguf", 1235, "mmproj.gguf", 99, "learned"}, "1235 bytes"},
        {MeasuredModel{"a.gguf", 1234, "", 0, "learned"}, "with \"mmproj.gguf\""},
        {MeasuredModel{"a.gguf", 1234, "mmproj.gguf", 99, "divprune"}, "\"divprune\""}}) {
    const auto other = read_quality_file(path_, model);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(other.status().message(), AllOf(HasSubstr(path_), HasSubstr("another model"), HasSubstr(word)));
  }
}

TEST_F(QualityFileTest, NamesTheFieldThatIsWrong) {
  const Json good = Json::parse(written());
  const auto with = [&](const char* pointer, const Json& value) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    return json.dump();
  };
  fails("no JSON", StatusCode::kCorruptData, "JSON");
  fails("{}", StatusCode::kCorruptData, "version is not there");
  fails(with("/version", 2), StatusCode::kUnsupported, "version is 2");
  fails(with("/version", "1"), StatusCode::kCorruptData, "version");
  fails(with("/model/bytes", -1), StatusCode::kCorruptData, "model.bytes");
  fails(with("/delta", 0), StatusCode::kCorruptData, "delta is not a number from");
  fails(with("/classes", Json::object()), StatusCode::kCorruptData, "classes has no class any");
  fails(with("/classes/any/ladder/0/mean_loss", 1.5), StatusCode::kCorruptData, "classes.\"any\".ladder[0].mean_loss");
  fails(with("/classes/any/ladder/0/num_questions", 1.5), StatusCode::kCorruptData, "num_questions is not a whole");
  fails(with("/classes/any/ladder/0/num_questions", 1e300), StatusCode::kCorruptData, "num_questions");
  fails(with("/classes/any/ladder/0/levers/skip", 0.5), StatusCode::kCorruptData, "\"skip\" is not a whole");
  fails(with("/classes/any/ladder/0/levers/skip", 4), StatusCode::kCorruptData, "from 0 to 3");
  fails(with("/classes/any/ladder/0/levers/luck", 1), StatusCode::kCorruptData, "\"luck\" is no lever");
  fails(with("/classes/any/curves/scale/1", {1, 0.5}), StatusCode::kCorruptData, "\"scale\"[1] does not leave out");
  fails(with("/classes/any/curves/scale/1", {0.5}), StatusCode::kCorruptData, "\"scale\"[1] is not a pair");
  fails(with("/classes/any/curves/scale/1/0", 0), StatusCode::kCorruptData, "\"scale\"[1][0]");
  fails(with("/classes/read/full_score", nullptr), StatusCode::kCorruptData, "classes.\"read\".full_score");
}

TEST_F(QualityFileTest, ALeverThatWasNotTriedIsNotUsed) {
  Json json = Json::parse(written());
  json["classes"]["any"]["curves"].erase("skip");
  const auto read_table = read(json.dump());
  ASSERT_TRUE(read_table && *read_table);
  Levers levers;
  EXPECT_EQ(expected_loss((*read_table)->of(kAnyClass), levers), 0);
  levers[Lever::kSkip] = 1;
  EXPECT_EQ(expected_loss((*read_table)->of(kAnyClass), levers), 1);
}

// Cut anywhere, and with any value replaced by one of another kind: an error with the path, or a table.
TEST_F(QualityFileTest, SurvivesDamage) {
  const std::string text = written();
  const auto check = [&](const std::string& damaged) {
    const auto read_table = read(damaged);
    if (!read_table) {
      EXPECT_THAT(read_table.status().message(), HasSubstr(path_)) << damaged;
    }
  };
  for (size_t size = 0; size < text.size(); ++size) check(text.substr(0, size));
  const Json flat = Json::parse(text).flatten();
  for (const auto& [pointer, value] : flat.items()) {
    for (const Json& other : {Json(), Json(-1), Json(1e308), Json("x"), Json::array(), Json::object(), Json(true)}) {
      Json damaged = Json::parse(text);
      damaged[Json::json_pointer(pointer)] = other;
      check(damaged.dump());
    }
  }
}

}  // namespace
}  // namespace saccade
