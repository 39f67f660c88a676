#include "platform/whole_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace saccade {
namespace {

using testing::HasSubstr;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(WholeFile, IsReadAsItWasWritten) {
  const std::string path = testing::TempDir() + "whole_file_test";
  for (const std::string& text : {std::string("first and longer"), std::string("second"), std::string()}) {
    ASSERT_TRUE(write_whole_file(path, bytes_of(text)).is_ok());
    const auto read = read_whole_file(path, 100);
    ASSERT_TRUE(read.is_ok());
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(read->data()), read->size()), text);
  }
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
  std::filesystem::remove(path);
}

TEST(WholeFile, IsNotWrittenOverWhatIsNoFile) {
  EXPECT_THAT(write_whole_file(testing::TempDir(), bytes_of("x")).message(), HasSubstr("is a directory"));
  const Status device = write_whole_file("/dev/null", bytes_of("x"));
  EXPECT_EQ(device.code(), StatusCode::kIoError);
  EXPECT_THAT(device.message(), HasSubstr("not a regular file"));
  const Status nowhere = write_whole_file("no/such/folder/file", bytes_of("x"));
  EXPECT_EQ(nowhere.code(), StatusCode::kNotFound);
  EXPECT_THAT(nowhere.message(), HasSubstr("no/such/folder/file"));
}

TEST(WholeFile, IsKnownToBeWritableBeforeThereIsAnythingToWrite) {
  const std::string path = testing::TempDir() + "writable_test";
  EXPECT_TRUE(check_writable(path).is_ok());
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
  ASSERT_TRUE(write_whole_file(path, bytes_of("kept")).is_ok());
  EXPECT_TRUE(check_writable(path).is_ok());
  EXPECT_EQ(read_whole_file(path, 100)->size(), 4U);
  std::filesystem::remove(path);
  EXPECT_EQ(check_writable("").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(check_writable(testing::TempDir()).code(), StatusCode::kIoError);
  EXPECT_EQ(check_writable("no/such/folder/file").code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace saccade
