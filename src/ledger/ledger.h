// The ledger: every request with what was promised, done and paid, in one SQLite file.
//
// What record() and add_feedback() acknowledged is there after a crash of the process and, where the disk keeps what it
// says, after a loss of power. A file may be opened by several processes at once, but not on a network file system.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/function_ref.h"
#include "ledger/ledger_entry.h"
#include "ledger/sqlite.h"
#include "saccade/status.h"

namespace saccade {

enum class LedgerAccess : uint8_t {
  kCreate,  // read and write; a file that is not there, or is empty, becomes a ledger
  kWrite,   // read and write
  kRead,
};

enum class FeedbackSource : uint8_t {
  kUser,
  kShadow,  // the full plan's answer to the same request
};

/// An entry with what was said of its answer.
struct LedgerRecord {
  LedgerEntry entry;
  std::optional<double> user_score;  // 0..1
  std::optional<double> shadow_score;
};

/// All calls are thread-safe. Errors name the file: kIoError (disk full, read-only, no permission, locked by another
/// process for longer than `max_wait_ms`), kCorruptData (a damaged file). A call that fails has changed nothing.
class Ledger {
 public:
  /// Further errors: kNotFound; kCorruptData (no SQLite file), kUnsupported (of another program, of a newer version):
  /// such files are left as they are.
  static Expected<std::unique_ptr<Ledger>> open(const std::string& path, LedgerAccess access, int max_wait_ms = 10'000);

  /// Written to the disk when it returns ok. Errors: kInvalidArgument: the request_id is there already or empty, a
  /// number is not finite, the propensity is not in 0 (not included) to 1.
  Status record(const LedgerEntry& entry);

  /// A score from 0 (wrong) to 1 (right), which replaces an earlier one of the same source. Errors: kNotFound: no such
  /// request, or not the account's where one is given; kInvalidArgument: another score.
  Status add_feedback(const std::string& request_id, double score, FeedbackSource source,
                      std::string_view account = {});

  /// Requests from `from_us` on and before `to_us`, in order of time, until `on_record` returns false. It sees what was
  /// there at the beginning and may call the ledger.
  Status for_each(int64_t from_us, int64_t to_us, FunctionRef<bool(const LedgerRecord&)> on_record) const;

  /// What the account's requests from `from_us` on cost, those without a price left out.
  Expected<double> spent_usd(std::string_view account, int64_t from_us);

  static constexpr int64_t kBeginning = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();

 private:
  Ledger(std::string path, int max_wait_ms) : path_(std::move(path)), max_wait_ms_(max_wait_ms) {}
  Status prepare_statements();

  const std::string path_;
  const int max_wait_ms_;
  std::mutex mutex_;  // guards what follows
  sqlite::Database database_;
  sqlite::Statement insert_entry_;
  sqlite::Statement insert_feedback_;
  sqlite::Statement sum_spent_;
};

}  // namespace saccade
