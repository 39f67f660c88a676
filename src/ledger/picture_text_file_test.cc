#include "ledger/picture_text_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ledger/ledger.h"

namespace saccade {
namespace {

class PictureTextFileTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove(path_); }
  void TearDown() override { std::filesystem::remove(path_); }

  const std::string path_ =
      testing::TempDir() + "picture_texts_" + testing::UnitTest::GetInstance()->current_test_info()->name() + ".sqlite";
};

TEST_F(PictureTextFileTest, KeepsTextsByModelAndPicture) {
  {
    const auto file = PictureTextFile::open(path_);
    ASSERT_TRUE(file.is_ok()) << file.status().message();
    ASSERT_TRUE((*file)->put("small", "ab12", {"a receipt", "Total 149.80"}).is_ok());
    ASSERT_TRUE((*file)->put("small", "ab12", {"a till receipt", "Total 149.80"}).is_ok());
  }
  const auto again = PictureTextFile::open(path_);
  ASSERT_TRUE(again.is_ok()) << again.status().message();
  const auto found = (*again)->find("small", "ab12");
  ASSERT_TRUE(found.is_ok() && found->has_value());
  EXPECT_EQ((*found)->caption, "a till receipt");
  EXPECT_EQ((*found)->transcription, "Total 149.80");
  EXPECT_FALSE((*again)->find("large", "ab12")->has_value());
  EXPECT_FALSE((*again)->find("small", "cd34")->has_value());
}

TEST_F(PictureTextFileTest, LeavesOtherFilesAlone) {
  { ASSERT_TRUE(Ledger::open(path_, LedgerAccess::kCreate).is_ok()); }
  const auto ledger = PictureTextFile::open(path_);
  ASSERT_FALSE(ledger.is_ok());
  EXPECT_EQ(ledger.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(ledger.status().message(), testing::HasSubstr(path_));
  EXPECT_TRUE(Ledger::open(path_, LedgerAccess::kWrite).is_ok());

  std::ofstream(path_) << std::string(4096, 'x');
  const auto damaged = PictureTextFile::open(path_);
  ASSERT_FALSE(damaged.is_ok());
  EXPECT_EQ(damaged.status().code(), StatusCode::kCorruptData);
}

TEST_F(PictureTextFileTest, TellsWhereItCannotBe) {
  const auto nowhere = PictureTextFile::open(testing::TempDir() + "no such folder/texts.sqlite");
  ASSERT_FALSE(nowhere.is_ok());
  EXPECT_THAT(nowhere.status().message(), testing::HasSubstr("no such folder"));
}

}  // namespace
}  // namespace saccade
