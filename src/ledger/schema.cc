#include "ledger/schema.h"

#include "base/format.h"
#include "ledger/entry_columns.h"

namespace saccade {
namespace {

enum class Kind : uint8_t { kLedger, kEmpty };

// Which of the files that may be opened it is.
Expected<Kind> find_kind(sqlite::Database& database) {
  SACCADE_ASSIGN_OR_RETURN(const int64_t id, database.number("PRAGMA application_id"));
  SACCADE_ASSIGN_OR_RETURN(const int64_t version, database.number("PRAGMA user_version"));
  SACCADE_ASSIGN_OR_RETURN(const int64_t num_tables, database.number("SELECT count(*) FROM sqlite_schema"));
  if (id == 0 && version == 0 && num_tables == 0) return Kind::kEmpty;
  if (id != kLedgerApplicationId) {
    return unsupported(
        format("not a ledger, but a database of another program (application_id %lld)", static_cast<long long>(id)));
  }
  if (version > kLedgerVersion) {
    return unsupported(format("a ledger of version %lld, made by a newer saccade; this one knows version %lld",
                              static_cast<long long>(version), static_cast<long long>(kLedgerVersion)));
  }
  if (version < 1) return corrupt_data(format("a ledger of version %lld", static_cast<long long>(version)));
  return Kind::kLedger;
}

Status create(sqlite::Database& database) {
  SACCADE_RETURN_IF_ERROR(database.execute("BEGIN IMMEDIATE"));
  const auto kind = find_kind(database);  // again: another process may have been quicker
  Status status = kind ? Status() : kind.status();
  if (kind && *kind == Kind::kEmpty) status = database.execute(ledger_schema());
  if (status.is_ok()) status = database.execute("COMMIT");
  if (!status.is_ok()) (void)database.execute("ROLLBACK");
  return status;
}

}  // namespace

std::string ledger_schema() {
  return "CREATE TABLE entries (" + column_definitions() +
         ", UNIQUE (request_id)) STRICT;"
         "CREATE INDEX entries_by_time ON entries (time_us);"
         "CREATE INDEX entries_by_account ON entries (account, time_us, cost_usd);"  // spent_usd reads nothing else
         "CREATE TABLE feedback (request_id TEXT NOT NULL, source TEXT NOT NULL, score REAL NOT NULL,"
         " time_us INTEGER NOT NULL, PRIMARY KEY (request_id, source)) STRICT, WITHOUT ROWID;" +
         format("PRAGMA application_id = %lld; PRAGMA user_version = %lld;",
                static_cast<long long>(kLedgerApplicationId), static_cast<long long>(kLedgerVersion));
}

Status prepare_schema(sqlite::Database& database, bool may_create) {
  SACCADE_RETURN_IF_ERROR(database.execute("BEGIN"));  // another process may make it a ledger meanwhile
  const auto kind = find_kind(database);
  SACCADE_RETURN_IF_ERROR(database.execute("ROLLBACK"));
  if (!kind) return kind.status();
  if (*kind == Kind::kLedger) return {};
  return may_create ? create(database) : corrupt_data("not a ledger: there is nothing in it");
}

}  // namespace saccade
