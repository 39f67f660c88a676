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

}  // namespace
}  // namespace saccade
