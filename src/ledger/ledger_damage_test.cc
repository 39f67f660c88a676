// Files that are no ledger, damaged ones, and a system that refuses.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <utility>

#include "ledger/schema.h"
#include "ledger/test_ledger.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;

constexpr LedgerAccess kEveryAccess[] = {LedgerAccess::kCreate, LedgerAccess::kWrite, LedgerAccess::kRead};

class LedgerDamageTest : public LedgerFileTest {
 protected:
  std::string bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  void write(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }

  // Not opened in any way, the message has the path and `words`, and the file is as it was.
  void is_refused(StatusCode code, const std::string& words) const {
    const std::string before = bytes();
    for (const LedgerAccess access : kEveryAccess) {
      const auto ledger = Ledger::open(path_, access);
      ASSERT_FALSE(ledger.is_ok()) << words;
      EXPECT_EQ(ledger.status().code(), code) << ledger.status().message();
      EXPECT_THAT(ledger.status().message(), ::testing::AllOf(HasSubstr(path_), HasSubstr(words)));
      EXPECT_EQ(bytes(), before);
    }
  }

  void fill(int num_entries) const {
    const auto ledger = open();
    for (int i = 0; i < num_entries; ++i) {
      LedgerEntry filled = entry(std::to_string(i), i);
      filled.candidates = std::string(500, 'x');
      filled.context = {1, 2, 3};
      ASSERT_TRUE(ledger->record(filled).is_ok());
      ASSERT_TRUE(ledger->add_feedback(filled.request_id, 1, FeedbackSource::kUser).is_ok());
    }
  }

  static Status read(const Ledger& ledger) {
    return ledger.for_each(Ledger::kBeginning, Ledger::kEnd, [](const LedgerRecord&) { return true; });
  }
};

// For the life of it the test is a user without rights, where it was root.
class WithoutRights {
 public:
  WithoutRights() { was_root_ = ::geteuid() == 0 && ::seteuid(65534) == 0; }
  ~WithoutRights() {
    if (was_root_ && ::seteuid(0) != 0) std::abort();
  }

 private:
  bool was_root_;
};

// For the life of it files can't grow over a size: how a disk fills up, without a disk.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t max_bytes) {
    old_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit small = {max_bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallFiles() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_ = {};
  sighandler_t old_handler_;
};

TEST_F(LedgerDamageTest, TextIsRefusedAndLeftAlone) {
  write("Dear all,\nthis is not a ledger.\n");
  is_refused(StatusCode::kCorruptData, "nor any SQLite file");
  write(std::string(10'000, 'x'));
  is_refused(StatusCode::kCorruptData, "nor any SQLite file");
}

TEST_F(LedgerDamageTest, DatabasesOfOthersAreRefusedAndLeftAlone) {
  sql("CREATE TABLE cookies (a); INSERT INTO cookies VALUES (1)");
  is_refused(StatusCode::kUnsupported, "of another program");
  sql("PRAGMA application_id = 7");
  is_refused(StatusCode::kUnsupported, "application_id 7");
  sql("PRAGMA user_version = 1; PRAGMA journal_mode = WAL");
  is_refused(StatusCode::kUnsupported, "application_id 7");
}

TEST_F(LedgerDamageTest, NewerVersionsAreRefusedAndLeftAlone) {
  fill(3);
  sql("PRAGMA user_version = 2");
  is_refused(StatusCode::kUnsupported, "a ledger of version 2, made by a newer saccade; this one knows version 1");
  sql("PRAGMA user_version = 0");
  is_refused(StatusCode::kCorruptData, "version 0");
}

TEST_F(LedgerDamageTest, TablesOfAnotherFormAreRefused) {
  fill(1);
  sql("ALTER TABLE entries DROP COLUMN plan");
  for (const LedgerAccess access : kEveryAccess) {
    const auto ledger = Ledger::open(path_, access);
    ASSERT_FALSE(ledger.is_ok());
    EXPECT_EQ(ledger.status().code(), StatusCode::kCorruptData);
    EXPECT_THAT(ledger.status().message(), HasSubstr("plan"));
  }
}

TEST_F(LedgerDamageTest, NamesThatAreUnknownAreToldWithTheRequest) {
  fill(2);
  sql("UPDATE entries SET status = 'odd' WHERE request_id = '1'");
  const Status status = read(*open());
  EXPECT_EQ(status.code(), StatusCode::kCorruptData);
  EXPECT_THAT(status.message(), HasSubstr("request \"1\": status is \"odd\""));
}

TEST_F(LedgerDamageTest, AFileThatWasCutIsToldAtOnce) {
  fill(50);
  const std::string whole = bytes();
  ASSERT_GT(whole.size(), 8 * 4096u);
  for (const size_t size :
       {whole.size() - 4096, whole.size() / 2, size_t{4096}, size_t{4000}, size_t{120}, size_t{1}}) {
    write(whole.substr(0, size));
    is_refused(StatusCode::kCorruptData, size >= 512 ? "damaged" : "nor any SQLite file");
  }
}

TEST_F(LedgerDamageTest, AnyBytesAreReadOrRefused) {
  fill(20);
  const std::string whole = bytes();
  std::mt19937 random(7);
  int num_told = 0;
  for (int i = 0; i < 150; ++i) {
    std::string damaged = whole;
    for (int j = 0; j < 20; ++j) damaged[random() % damaged.size()] = static_cast<char>(random());
    write(damaged);
    std::filesystem::remove(path_ + "-wal");
    std::filesystem::remove(path_ + "-shm");
    const auto ledger = Ledger::open(path_, LedgerAccess::kWrite);
    const bool is_whole = ledger && read(**ledger).is_ok() && (*ledger)->record(entry("new")).is_ok();
    num_told += is_whole ? 0 : 1;
  }
  EXPECT_GT(num_told, 30);
}

TEST_F(LedgerDamageTest, AnEmptyFileBecomesALedgerOnlyWhereOneIsMade) {
  write("");
  EXPECT_THAT(Ledger::open(path_, LedgerAccess::kRead).status().message(), HasSubstr("there is nothing in it"));
  EXPECT_EQ(Ledger::open(path_, LedgerAccess::kWrite).status().code(), StatusCode::kCorruptData);
  EXPECT_TRUE(Ledger::open(path_, LedgerAccess::kCreate).is_ok());
  EXPECT_TRUE(Ledger::open(path_, LedgerAccess::kRead).is_ok());
}

TEST_F(LedgerDamageTest, WhatIsNoFileIsRefused) {
  for (const LedgerAccess access : kEveryAccess) {
    const Status folder = Ledger::open(folder_, access).status();
    EXPECT_EQ(folder.code(), StatusCode::kIoError);
    EXPECT_THAT(folder.message(), HasSubstr("is a directory"));
    EXPECT_EQ(Ledger::open("", access).status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(Ledger::open(folder_ + "/no/such/folder", access).status().code(), StatusCode::kNotFound);
    EXPECT_THAT(Ledger::open("/dev/null", access).status().message(), HasSubstr("not a regular file"));
  }
  ASSERT_EQ(::mkfifo((folder_ + "/pipe").c_str(), 0600), 0);
  EXPECT_THAT(Ledger::open(folder_ + "/pipe", LedgerAccess::kRead).status().message(), HasSubstr("regular file"));
  EXPECT_EQ(Ledger::open(path_, LedgerAccess::kWrite).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(LedgerDamageTest, NamesAreNeverUris) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  for (const std::string name : {"file:b.ledger?mode=memory", ":memory:"}) {
    EXPECT_TRUE(Ledger::open(name, LedgerAccess::kCreate).is_ok());
    EXPECT_TRUE(std::filesystem::exists(name));
  }
  std::filesystem::current_path(before);
}

TEST_F(LedgerDamageTest, WithoutPermissionNothingIsOpened) {
  fill(3);
  ASSERT_EQ(::chmod(path_.c_str(), 0), 0);
  const WithoutRights nobody;
  for (const LedgerAccess access : kEveryAccess) {
    const Status status = Ledger::open(path_, access).status();
    EXPECT_EQ(status.code(), StatusCode::kIoError);
    EXPECT_THAT(status.message(), ::testing::AllOf(HasSubstr(path_), HasSubstr("Permission denied")));
  }
}

TEST_F(LedgerDamageTest, AReadOnlyFileIsReadButNotWritten) {
  fill(3);
  ASSERT_EQ(::chmod(path_.c_str(), 0444), 0);
  ASSERT_EQ(::chmod(folder_.c_str(), 0777), 0);
  const WithoutRights nobody;
  EXPECT_THAT(Ledger::open(path_, LedgerAccess::kWrite).status().message(), HasSubstr("read-only"));
  EXPECT_EQ(Ledger::open(path_, LedgerAccess::kCreate).status().code(), StatusCode::kIoError);
  const auto ledger = Ledger::open(path_, LedgerAccess::kRead);
  ASSERT_TRUE(ledger.is_ok()) << ledger.status().message();
  EXPECT_EQ(all_of(**ledger).size(), 3u);
  const Status status = (*ledger)->record(entry("new"));
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), ::testing::AllOf(HasSubstr(path_), HasSubstr("read-only")));
}

TEST_F(LedgerDamageTest, AReadOnlyFolderSaysWhatIsMissing) {
  fill(3);
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  ASSERT_EQ(::chmod(folder_.c_str(), 0555), 0);
  const WithoutRights nobody;
  for (const LedgerAccess access : kEveryAccess) {
    const Status status = Ledger::open(path_, access).status();
    EXPECT_EQ(status.code(), StatusCode::kIoError);
    EXPECT_THAT(status.message(), ::testing::AllOf(HasSubstr(path_), HasSubstr("folder is read-only")));
  }
}

TEST_F(LedgerDamageTest, AFullDiskRefusesAndLosesNothing) {
  std::vector<std::string> acknowledged;
  const auto ledger = open();
  Status status;
  {
    const SmallFiles full(60'000);
    for (int i = 0; status.is_ok() && i < 1000; ++i) {
      status = ledger->record(entry(std::to_string(i), i));
      if (status.is_ok()) acknowledged.push_back(std::to_string(i));
    }
    EXPECT_EQ(status.code(), StatusCode::kIoError);
    EXPECT_THAT(status.message(), ::testing::AllOf(HasSubstr(path_), HasSubstr("write")));
    EXPECT_FALSE(ledger->record(entry("again")).is_ok());
    EXPECT_EQ(all_of(*ledger).size(), acknowledged.size());
  }
  EXPECT_GT(acknowledged.size(), 1u);
  EXPECT_TRUE(ledger->record(entry("there is room again")).is_ok());
  EXPECT_EQ(all_of(*open(LedgerAccess::kRead)).size(), acknowledged.size() + 1);
  EXPECT_EQ(sql("PRAGMA integrity_check"), "ok");
}

TEST_F(LedgerDamageTest, ALockedFileIsToldAfterAWhile) {
  fill(1);
  const auto ledger = *Ledger::open(path_, LedgerAccess::kWrite, /*max_wait_ms=*/50);
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const Status status = ledger->record(entry("new"));
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), ::testing::AllOf(HasSubstr(path_), HasSubstr("locked by another process")));
  EXPECT_EQ(all_of(*ledger).size(), 1u) << "reading goes on";
  sqlite3_close(other);
  EXPECT_TRUE(ledger->record(entry("new")).is_ok());
}

}  // namespace
}  // namespace saccade
