// Runs the tests of one folder. CTest runs each test as a process of its own, several at a time: each gets an empty
// directory as testing::TempDir(), which goes away with it.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

int main(int argc, char** argv) {
  std::string directory = (std::filesystem::temp_directory_path() / "saccade_test_XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) {
    std::perror(directory.c_str());
    return 1;
  }
  std::filesystem::permissions(directory, std::filesystem::perms(0755));  // some tests give up their rights
  setenv("TEST_TMPDIR", directory.c_str(), /*overwrite=*/1);
  testing::InitGoogleTest(&argc, argv);
  const int failed = RUN_ALL_TESTS();
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return failed;
}
