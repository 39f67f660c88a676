#include "engine/profile_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace saccade {
namespace {

using testing::HasSubstr;

class ProfileFile : public testing::Test {
 protected:
  ProfileFile()
      : path_((std::filesystem::temp_directory_path() / ("saccade_profile_" + std::to_string(::getpid()))).string()) {}
  ~ProfileFile() override { std::filesystem::remove(path_); }

  void write(const std::string& text) const { std::ofstream(path_) << text; }
  static MachineProfile profile() {
    MachineProfile profile = {.isa = "avx2", .threads = 2, .hardware = unmeasured_processor(), .linear = {}};
    profile.linear[DType::kF16] = {{1, 10}, {64, 100}};
    profile.linear[DType::kQ8_0] = {{1, 20}, {64, 200}};
    return profile;
  }
  static CostModel costs() {
    ModelShape shape;
    shape.decoder = {.num_layers = 2, .model_dim = 64, .q_dim = 64, .kv_dim = 64, .ffn_dim = 128, .vocab_size = 100};
    return {shape, unmeasured_processor()};
  }

  std::string path_;
};

TEST_F(ProfileFile, KeepsMachinesByInstructionSetAndThreads) {
  ASSERT_TRUE(write_machine_profile(path_, profile()).is_ok());
  MachineProfile other = profile();
  other.threads = 4;
  other.hardware.memory_gbytes = 77;
  ASSERT_TRUE(write_machine_profile(path_, other).is_ok());
  const auto first = read_machine_profile(path_, "avx2", 2);
  ASSERT_TRUE(first.is_ok()) << first.status().message();
  ASSERT_TRUE(first->has_value());
  EXPECT_EQ((*first)->hardware.memory_gbytes, unmeasured_processor().memory_gbytes);
  EXPECT_EQ((*first)->hardware_for(DType::kQ8_0).linear_gflops(64), 200);
  EXPECT_EQ((*first)->hardware_for(DType::kQ5_0).linear_gflops(64), 200);  // the nearest in bits
  EXPECT_EQ((*first)->hardware_for(DType::kBF16).linear_gflops(64), 100);
  EXPECT_EQ((**read_machine_profile(path_, "avx2", 4)).hardware.memory_gbytes, 77);
  EXPECT_FALSE(read_machine_profile(path_, "amx", 2)->has_value());
}

TEST_F(ProfileFile, NoFileIsNoProfile) {
  EXPECT_FALSE(read_machine_profile(path_, "avx2", 2)->has_value());
}

TEST_F(ProfileFile, KeepsWhatWasLearntByModel) {
  AnswerLengths lengths;
  CostModel learnt = costs();
  for (int i = 1; i < 20; ++i) learnt.residual(CostStage::kPrefill).add(i, 3 * i + 1);
  ASSERT_TRUE(write_learned(path_, "a.gguf", learnt, lengths).is_ok());
  CostModel read = costs();
  ASSERT_TRUE(read_learned(path_, "a.gguf", read, lengths).is_ok());
  EXPECT_NEAR(read.residual(CostStage::kPrefill).predict_ms(7), learnt.residual(CostStage::kPrefill).predict_ms(7),
              1e-6);
  CostModel unknown = costs();
  ASSERT_TRUE(read_learned(path_, "b.gguf", unknown, lengths).is_ok());
  EXPECT_DOUBLE_EQ(unknown.residual(CostStage::kPrefill).predict_ms(7), 7);
}

TEST_F(ProfileFile, KeepsHowLongAnswersAre) {
  AnswerLengths learnt;
  for (int i = 0; i < 70; ++i) learnt.add("read", i < 6 ? 500 : 3);
  learnt.add("a \"class\"", 4);
  ASSERT_TRUE(write_learned(path_, "a.gguf", costs(), learnt).is_ok());
  AnswerLengths read;
  CostModel unused = costs();
  ASSERT_TRUE(read_learned(path_, "a.gguf", unused, read).is_ok());
  EXPECT_EQ(read.recent(), learnt.recent());
  EXPECT_EQ(read.forecast("read", 512).p95, 3);
  AnswerLengths other;
  ASSERT_TRUE(read_learned(path_, "b.gguf", unused, other).is_ok());
  EXPECT_TRUE(other.recent().empty());
}

TEST_F(ProfileFile, AFileFromBeforeLengthsWereKeptIsRead) {
  write("{\"profile\":1,\"models\":{\"a.gguf\":{}}}");
  AnswerLengths lengths;
  lengths.add("read", 7);
  CostModel read = costs();
  ASSERT_TRUE(read_learned(path_, "a.gguf", read, lengths).is_ok());
  EXPECT_EQ(lengths.recent().at("read").size(), 1U);
}

TEST_F(ProfileFile, MeasuringAnewForgetsWhatWasLearntOnTheOldFigures) {
  AnswerLengths lengths;
  CostModel learnt = costs();
  learnt.residual(CostStage::kPrefill).add(1, 50);
  ASSERT_TRUE(write_learned(path_, "a.gguf", learnt, lengths).is_ok());
  ASSERT_TRUE(write_machine_profile(path_, profile()).is_ok());
  CostModel read = costs();
  ASSERT_TRUE(read_learned(path_, "a.gguf", read, lengths).is_ok());
  EXPECT_DOUBLE_EQ(read.residual(CostStage::kPrefill).predict_ms(7), 7);
}

TEST_F(ProfileFile, DamageIsNamed) {
  for (const char* text : {"", "{", "[]", "{\"profile\":2}", "{\"profile\":1,\"machines\":{\"avx2 x 2\":5}}",
                           "{\"profile\":1,\"machines\":{\"avx2 x 2\":{\"attention_gflops\":-1}}}"}) {
    write(text);
    const auto read = read_machine_profile(path_, "avx2", 2);
    ASSERT_FALSE(read.is_ok()) << text;
    EXPECT_THAT(read.status().message(), HasSubstr(path_)) << text;
  }
  for (const char* learnt : {"\"prefill\":{\"count\":\"x\"}", "\"answer_tokens\":5", "\"answer_tokens\":{\"read\":5}",
                             "\"answer_tokens\":{\"read\":[-1]}", "\"answer_tokens\":{\"read\":[\"x\"]}"}) {
    write(std::string("{\"profile\":1,\"models\":{\"a.gguf\":{") + learnt + "}}}");
    CostModel read = costs();
    AnswerLengths lengths;
    const Status status = read_learned(path_, "a.gguf", read, lengths);
    EXPECT_EQ(status.code(), StatusCode::kCorruptData) << learnt;
    EXPECT_THAT(status.message(), HasSubstr(path_)) << learnt;
  }
}

}  // namespace
}  // namespace saccade
