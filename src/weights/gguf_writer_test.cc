#include "weights/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weights/test_files.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;
using testing_files::TempDir;

TEST(GgufWriter, LeavesNothingWhenNotFinished) {
  const TempDir dir;
  dir.write("model.gguf", "GGUF, the old one");
  {
    auto writer = GgufWriter::create(dir.path("model.gguf"), {}, std::vector<GgufTensorPlan>{{"a", Shape{4}, {}}});
    ASSERT_TRUE(writer);
    EXPECT_EQ(dir.num_files(), 2u);
  }
  EXPECT_EQ(dir.num_files(), 1u);
  EXPECT_EQ(dir.read("model.gguf"), "GGUF, the old one");
}

TEST(GgufWriter, TakesBytesInPiecesOfAnySize) {
  const TempDir dir;
  const std::vector<GgufTensorPlan> plan = {{"a", Shape{3}, DType::kF32}, {"b", Shape{5}, DType::kF16}};
  auto writer = GgufWriter::create(dir.path("m"), {}, plan);
  ASSERT_TRUE(writer);
  const std::vector<std::byte> bytes(22, std::byte{9});
  ASSERT_TRUE(writer->append(std::span(bytes).first(5)).is_ok());
  ASSERT_TRUE(writer->append(std::span(bytes).subspan(5)).is_ok());
  ASSERT_TRUE(writer->finish().is_ok());
  EXPECT_EQ(dir.read("m").size(), writer->file_bytes());
  EXPECT_EQ(dir.read("m").size() % 32, 0u);
}

TEST(GgufWriter, NamesTheFileItCannotCreate) {
  const TempDir dir;
  const auto writer = GgufWriter::create(dir.path("absent/model.gguf"), {}, {});
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(writer.status().message(), HasSubstr("absent/model.gguf"));
}

TEST(GgufWriter, ReplacesNothingButGgufFiles) {
  const TempDir dir;
  dir.write("model.safetensors", "weights");
  const auto writer = GgufWriter::create(dir.path("model.safetensors"), {}, {});
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(dir.read("model.safetensors"), "weights");
}

TEST(GgufWriter, ANameAloneIsAFileInTheCurrentFolder) {
  const TempDir dir;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(dir.root());
  const Status status = testing_files::write_gguf("new.gguf", {}, {{"a", Shape{3}, {}}});
  const Status lost = testing_files::write_gguf("nowhere/new.gguf", {}, {{"a", Shape{3}, {}}});
  std::filesystem::current_path(before);
  EXPECT_TRUE(status.is_ok()) << status.message();
  EXPECT_TRUE(std::filesystem::exists(dir.path("new.gguf")));
  EXPECT_EQ(lost.code(), StatusCode::kNotFound);
  EXPECT_THAT(lost.message(), HasSubstr(dir.path("nowhere")));
}

TEST(GgufWriter, RefusesTwoTensorsOfOneName) {
  const TempDir dir;
  const std::vector<GgufTensorPlan> plan = {{"a", Shape{3}, {}}, {"a", Shape{3}, {}}};
  EXPECT_EQ(GgufWriter::create(dir.path("m"), {}, plan).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(dir.num_files(), 0u);
}

// The kernel's own full disk.
TEST(GgufWriter, AFullDiskIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const TempDir dir;
  std::filesystem::create_symlink("/dev/full", dir.path("m.partial"));
  auto writer = GgufWriter::create(dir.path("m"), {}, std::vector<GgufTensorPlan>{{"a", Shape{1 << 16}, {}}});
  Status status = writer ? Status() : writer.status();
  const std::vector<std::byte> bytes(4 << 16);
  if (status.is_ok()) status = writer->append(bytes);
  if (status.is_ok()) status = writer->finish();
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), HasSubstr("No space left"));
  EXPECT_FALSE(std::filesystem::exists(dir.path("m")));
}

TEST(GgufKeys, SettingAgainReplaces) {
  GgufKeys keys;
  keys.set_u32("a", 1);
  keys.set_string("a", "two");
  ASSERT_EQ(keys.entries().size(), 1u);
  EXPECT_EQ(std::get<std::string>(keys.entries()[0].value), "two");
}

}  // namespace
}  // namespace saccade
