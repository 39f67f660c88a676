#include "platform/mapped_file.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace saccade {
namespace {

TEST(MappedFile, ReadsWhatWasWritten) {
  const std::string path = testing::TempDir() + "mapped_file_test";
  std::ofstream(path) << "hello";
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file.is_ok());
  EXPECT_EQ(file->bytes().size(), 5u);
  EXPECT_EQ(static_cast<char>(file->bytes()[4]), 'o');
  std::filesystem::remove(path);
}

TEST(MappedFile, SaysWhatIsWrong) {
  EXPECT_EQ(MappedFile::open("/no/such/file").status().code(), StatusCode::kNotFound);
  const auto folder = MappedFile::open("/tmp");
  ASSERT_FALSE(folder.is_ok());
  EXPECT_NE(folder.status().message().find("is a directory"), std::string::npos);
}

TEST(MappedFile, ZerosTakeNoMemoryOfTheirOwn) {
  const auto zeros = MappedFile::zeros("a model", uint64_t{1} << 36);  // more than most machines have
  ASSERT_TRUE(zeros.is_ok()) << zeros.status().message();
  EXPECT_EQ(zeros->bytes().back(), std::byte{0});
  const auto too_many = MappedFile::zeros("a model", uint64_t{1} << 62);
  EXPECT_EQ(too_many.status().code(), StatusCode::kResourceExhausted);
  EXPECT_NE(too_many.status().message().find("a model"), std::string::npos);
}

}  // namespace
}  // namespace saccade
