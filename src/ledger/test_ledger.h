// What tests of the ledger have in common: a file of their own, entries, and a look with SQLite itself.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ledger/ledger.h"

namespace saccade {

/// A folder that goes away with the test. Its name is the test's, as tests run at the same time.
class LedgerFileTest : public ::testing::Test {
 protected:
  LedgerFileTest()
      : folder_(::testing::TempDir() + "ledger_test." +
                ::testing::UnitTest::GetInstance()->current_test_info()->test_suite_name() + "." +
                ::testing::UnitTest::GetInstance()->current_test_info()->name()),
        path_(folder_ + "/a.ledger") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~LedgerFileTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Ledger> open(LedgerAccess access = LedgerAccess::kCreate) const {
    auto ledger = Ledger::open(path_, access);
    EXPECT_TRUE(ledger.is_ok()) << ledger.status().message();
    return ledger ? *std::move(ledger) : nullptr;
  }

  static LedgerEntry entry(const std::string& id, int64_t time_us = 0) {
    LedgerEntry entry;
    entry.request_id = id;
    entry.time_us = time_us;
    return entry;
  }

  static std::vector<LedgerRecord> all_of(const Ledger& ledger) {
    std::vector<LedgerRecord> records;
    const Status status = ledger.for_each(Ledger::kBeginning, Ledger::kEnd, [&](const LedgerRecord& record) {
      records.push_back(record);
      return true;
    });
    EXPECT_TRUE(status.is_ok()) << status.message();
    return records;
  }

  // By another connection: the last column of the last row of the last statement.
  std::string sql(const std::string& text) const {
    sqlite3* connection = nullptr;
    EXPECT_EQ(sqlite3_open(path_.c_str(), &connection), SQLITE_OK);
    std::string result;
    const auto keep = [](void* target, int num_columns, char** values, char**) {
      const char* value = values[num_columns - 1];
      *static_cast<std::string*>(target) = value == nullptr ? "NULL" : value;
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(connection, text.c_str(), keep, &result, nullptr), SQLITE_OK) << sqlite3_errmsg(connection);
    sqlite3_close(connection);
    return result;
  }

  const std::string folder_;
  const std::string path_;
};

}  // namespace saccade
