#include "ledger/ledger.h"

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "base/format.h"
#include "ledger/entry_columns.h"
#include "ledger/schema.h"
#include "platform/clock.h"

namespace saccade {
namespace {

const char* name_of(FeedbackSource source) {
  return source == FeedbackSource::kUser ? "user" : "shadow";
}

// SQLite would open a directory or wait for a FIFO, and says less of what is wrong.
Status check_path(const std::string& path, LedgerAccess access) {
  if (path.empty()) return invalid_argument("the ledger's name is empty");
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) {
    if (access == LedgerAccess::kCreate || (errno != ENOENT && errno != ENOTDIR)) return {};  // opening it tells
    return not_found(path + ": no such file");
  }
  constexpr off_t kSmallestBytes = 512;  // of a database; SQLite would take a file of one byte for an empty one
  if (S_ISREG(info.st_mode) && info.st_size > 0 && info.st_size < kSmallestBytes) {
    return corrupt_data(path + ": not a ledger, nor any SQLite file");
  }
  if (S_ISREG(info.st_mode)) return {};
  return io_error(path + (S_ISDIR(info.st_mode) ? ": is a directory, not a ledger" : ": is not a regular file"));
}

// Where several processes open a new ledger at once, SQLite gives up at once instead of waiting.
Status use_write_ahead_log(sqlite::Database& database, int max_wait_ms) {
  const Stopwatch clock;
  while (true) {
    const auto mode = database.text("PRAGMA journal_mode = WAL");
    if (mode && *mode == "wal") return {};
    if (mode) return io_error("this file system has no memory that processes can share; keep the ledger on another");
    if (!database.is_locked() || clock.elapsed_ms() > max_wait_ms) return mode.status();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Expected<sqlite::Database> open_database(const std::string& path, LedgerAccess access, int max_wait_ms) {
  const auto mode = access == LedgerAccess::kRead    ? sqlite::OpenMode::kRead
                    : access == LedgerAccess::kWrite ? sqlite::OpenMode::kWrite
                                                     : sqlite::OpenMode::kCreate;
  SACCADE_ASSIGN_OR_RETURN(sqlite::Database database, sqlite::Database::open(path, mode, max_wait_ms));
  database.set_checkpoint_on_close(false);  // of a file that may turn out to be someone else's
  SACCADE_RETURN_IF_ERROR(database.execute("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON"));
  SACCADE_RETURN_IF_ERROR(prepare_schema(database, access == LedgerAccess::kCreate));
  database.set_checkpoint_on_close(true);
  if (access == LedgerAccess::kRead) return database;
  if (database.is_read_only()) return io_error("cannot write: the file is read-only");
  SACCADE_RETURN_IF_ERROR(use_write_ahead_log(database, max_wait_ms));
  // FULL: a commit waits until the disk has it. NORMAL would keep what a killed process wrote, but not a lost power.
  SACCADE_RETURN_IF_ERROR(database.execute("PRAGMA synchronous = FULL"));
  return database;
}

Status read_all(sqlite::Statement& select, FunctionRef<bool(const LedgerRecord&)> on_record) {
  while (true) {
    SACCADE_ASSIGN_OR_RETURN(const bool has_row, select.step());
    if (!has_row) return {};
    LedgerRecord record;
    SACCADE_ASSIGN_OR_RETURN(record.entry, read_entry(select));
    select.read(num_columns(), record.user_score);
    select.read(num_columns() + 1, record.shadow_score);
    if (!on_record(record)) return {};
  }
}

}  // namespace

Expected<std::unique_ptr<Ledger>> Ledger::open(const std::string& path, LedgerAccess access, int max_wait_ms) {
  SACCADE_RETURN_IF_ERROR(check_path(path, access));
  auto database = open_database(path, access, max_wait_ms);
  if (!database) return database.status().with_context(path);
  std::unique_ptr<Ledger> ledger(new Ledger(path, max_wait_ms));
  ledger->database_ = *std::move(database);
  const Status prepared = ledger->prepare_statements();
  if (!prepared.is_ok()) return prepared.with_context(path);
  return ledger;
}

Status Ledger::prepare_statements() {
  SACCADE_ASSIGN_OR_RETURN(insert_entry_, database_.prepare("INSERT INTO entries (" + column_names() + ") VALUES (" +
                                                            column_parameters() + ") ON CONFLICT DO NOTHING"));
  SACCADE_ASSIGN_OR_RETURN(
      insert_feedback_,
      database_.prepare(
          "INSERT INTO feedback (request_id, source, score, time_us)"
          " SELECT request_id, ?2, ?3, ?4 FROM entries WHERE request_id = ?1 AND (?5 = '' OR account = ?5)"
          " ON CONFLICT DO UPDATE SET score = excluded.score, time_us = excluded.time_us"));
  SACCADE_ASSIGN_OR_RETURN(
      sum_spent_, database_.prepare("SELECT total(cost_usd) FROM entries WHERE account = ?1 AND time_us >= ?2"));
  return {};
}

Status Ledger::record(const LedgerEntry& entry) {
  SACCADE_RETURN_IF_ERROR(check_entry(entry));
  const std::lock_guard lock(mutex_);
  bind_entry(entry, insert_entry_);
  const Status status = insert_entry_.run();
  if (!status.is_ok()) return status.with_context(path_);
  if (database_.num_changes() > 0) return {};
  return invalid_argument(path_ + ": request " + quote(entry.request_id) + " is in the ledger already");
}

Status Ledger::add_feedback(const std::string& request_id, double score, FeedbackSource source,
                            std::string_view account) {
  if (!(score >= 0 && score <= 1)) return invalid_argument(format("a score is 0 to 1, not %g", score));
  const std::lock_guard lock(mutex_);
  insert_feedback_.bind(1, request_id);
  insert_feedback_.bind(2, std::string_view(name_of(source)));
  insert_feedback_.bind(3, score);
  insert_feedback_.bind(4, wall_time_us());
  insert_feedback_.bind(5, account);
  const Status status = insert_feedback_.run();
  if (!status.is_ok()) return status.with_context(path_);
  if (database_.num_changes() > 0) return {};
  return not_found(path_ + ": no request " + quote(request_id));
}

// By a connection of its own, so that a long reading keeps nobody from writing.
Status Ledger::for_each(int64_t from_us, int64_t to_us, FunctionRef<bool(const LedgerRecord&)> on_record) const {
  const auto read = [&]() -> Status {
    SACCADE_ASSIGN_OR_RETURN(sqlite::Database database, open_database(path_, LedgerAccess::kRead, max_wait_ms_));
    SACCADE_ASSIGN_OR_RETURN(
        sqlite::Statement select,
        database.prepare("SELECT " + column_names("e.") +
                         ", u.score, s.score FROM entries e"
                         " LEFT JOIN feedback u ON u.request_id = e.request_id AND u.source = 'user'"
                         " LEFT JOIN feedback s ON s.request_id = e.request_id AND s.source = 'shadow'"
                         " WHERE e.time_us >= ?1 AND e.time_us < ?2 ORDER BY e.time_us, e.rowid"));
    select.bind(1, from_us);
    select.bind(2, to_us);
    return read_all(select, on_record);
  };
  const Status status = read();
  return status.is_ok() ? status : status.with_context(path_);
}

Expected<double> Ledger::spent_usd(std::string_view account, int64_t from_us) {
  const std::lock_guard lock(mutex_);
  sum_spent_.bind(1, account);
  sum_spent_.bind(2, from_us);
  const auto has_row = sum_spent_.step();
  double usd = 0;
  if (has_row && *has_row) sum_spent_.read(0, usd);
  sum_spent_.reset();
  if (!has_row) return has_row.status().with_context(path_);
  return usd;
}

}  // namespace saccade
