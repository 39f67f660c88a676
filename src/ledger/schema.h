// The tables of a ledger, and telling a ledger from any other file.
#pragma once

#include <string>

#include "ledger/sqlite.h"
#include "saccade/status.h"

namespace saccade {

constexpr int64_t kLedgerApplicationId = 0x53414343;  // "SACC", as `file` shows it
constexpr int64_t kLedgerVersion = 1;

/// What makes the tables.
std::string ledger_schema();

/// Makes sure that the database is a ledger of a version known here; one without anything in it becomes one where
/// `may_create`. Nothing is changed otherwise. Errors: kUnsupported: a newer version, a database of another program;
/// kCorruptData: no database, a damaged one, an empty one.
Status prepare_schema(sqlite::Database& database, bool may_create);

}  // namespace saccade
