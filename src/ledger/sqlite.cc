#include "ledger/sqlite.h"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>

#include "platform/clock.h"

namespace saccade::sqlite {
namespace {

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return SQLITE_OPEN_READONLY;
    case OpenMode::kWrite:
      return SQLITE_OPEN_READWRITE;
    case OpenMode::kCreate:
      break;
  }
  return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
}

std::string system_message(sqlite3* connection) {
  const int error = connection == nullptr ? 0 : sqlite3_system_errno(connection);
  return error != 0 ? std::strerror(error) : sqlite3_errmsg(connection);
}

Status cannot_open(sqlite3* connection) {
  const int error = connection == nullptr ? 0 : sqlite3_system_errno(connection);
  if (error == ENOENT || error == ENOTDIR) return not_found("the file or its folder does not exist");
  return io_error("cannot open: " + system_message(connection));
}

Status status_of(sqlite3* connection, int code) {
  switch (code & 0xff) {  // the rest tells cases apart
    case SQLITE_FULL:
      return io_error("cannot write: the disk is full");
    case SQLITE_READONLY:
      // Readers, too, share memory in a file beside it.
      return io_error(code == SQLITE_READONLY_CANTINIT || code == SQLITE_READONLY_DIRECTORY
                          ? "its folder is read-only: copy the file to one that can be written, which reading needs too"
                          : "cannot write: the file is read-only");
    case SQLITE_PERM:
    case SQLITE_IOERR:
      return io_error("cannot read or write: " + system_message(connection));
    case SQLITE_CANTOPEN:
      return cannot_open(connection);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return io_error("locked by another process for too long; try again");
    case SQLITE_NOTADB:
      return corrupt_data("not a ledger, nor any SQLite file");
    case SQLITE_CORRUPT:
      return corrupt_data("the file is damaged; `sqlite3 FILE .recover` saves what is left");
    case SQLITE_NOMEM:
      return resource_exhausted("there is not enough memory");
    case SQLITE_TOOBIG:
      return resource_exhausted("a text is longer than a database can hold");
    case SQLITE_ERROR:  // a table or column is not there
    case SQLITE_SCHEMA:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
      return corrupt_data(std::string("not as this program makes it: ") + sqlite3_errmsg(connection));
    default:
      return internal_error(sqlite3_errmsg(connection));
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void Statement::bind(int index, std::string_view text) {
  // Never a null pointer, which would be NULL.
  const char* data = text.data() == nullptr ? "" : text.data();
  const int code = sqlite3_bind_text64(statement_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (bind_error_ == SQLITE_OK) bind_error_ = code;
}

void Statement::bind(int index, int64_t number) {
  const int code = sqlite3_bind_int64(statement_.get(), index, number);
  if (bind_error_ == SQLITE_OK) bind_error_ = code;
}

void Statement::bind(int index, double number) {
  const int code = sqlite3_bind_double(statement_.get(), index, number);
  if (bind_error_ == SQLITE_OK) bind_error_ = code;
}

void Statement::bind(int index, const std::vector<float>& numbers) {
  const void* data = numbers.empty() ? static_cast<const void*>("") : numbers.data();
  const int code = sqlite3_bind_blob64(statement_.get(), index, data, numbers.size() * sizeof(float), SQLITE_STATIC);
  if (bind_error_ == SQLITE_OK) bind_error_ = code;
}

void Statement::bind_null(int index) {
  const int code = sqlite3_bind_null(statement_.get(), index);
  if (bind_error_ == SQLITE_OK) bind_error_ = code;
}

Expected<bool> Statement::step() {
  const int code = bind_error_ != SQLITE_OK ? bind_error_ : sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return status_of(sqlite3_db_handle(statement_.get()), code);
}

Status Statement::run() {
  const auto has_row = step();
  reset();
  return has_row ? Status() : has_row.status();
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bind_error_ = SQLITE_OK;
}

void Statement::read(int column, std::string& text) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  text.assign(bytes == nullptr ? "" : bytes, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

void Statement::read(int column, int64_t& number) const {
  number = sqlite3_column_int64(statement_.get(), column);
}

void Statement::read(int column, double& number) const {
  number = sqlite3_column_double(statement_.get(), column);
}

void Statement::read(int column, bool& value) const {
  value = sqlite3_column_int64(statement_.get(), column) != 0;
}

void Statement::read(int column, std::vector<float>& numbers) const {
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  numbers.resize(static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)) / sizeof(float));
  if (!numbers.empty()) std::memcpy(numbers.data(), bytes, numbers.size() * sizeof(float));
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Database::Close::operator()(sqlite3* connection) const {
  sqlite3_close_v2(connection);
}

// SQLite's own handler soon asks only every 100 ms; it starves beside a writer that is quick to take the lock again.
int Database::wait_for_lock(void* patience, int num_waits) {
  auto& [max_wait_ms, began_ms] = *static_cast<Patience*>(patience);
  if (num_waits == 0) began_ms = now_ms();
  if (now_ms() - began_ms > max_wait_ms) return 0;
  sqlite3_sleep(1);
  return 1;
}

Expected<Database> Database::open(const std::string& path, OpenMode mode, int max_wait_ms) {
  // So that neither "file:..." nor ":memory:" means anything but a file of this name.
  const std::string name = path.starts_with('/') ? path : "./" + path;
  sqlite3* connection = nullptr;
  const int code =
      sqlite3_open_v2(name.c_str(), &connection, flags_of(mode) | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Database database;
  database.connection_.reset(connection);
  if (code != SQLITE_OK) return connection == nullptr ? status_of(nullptr, SQLITE_NOMEM) : status_of(connection, code);
  database.patience_ = std::make_unique<Patience>(Patience{max_wait_ms, 0});
  sqlite3_busy_handler(connection, wait_for_lock, database.patience_.get());
  return database;
}

Status Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status() : status_of(connection_.get(), code);
}

Expected<Statement> Database::prepare(const std::string& sql) {
  sqlite3_stmt* prepared = nullptr;
  const int code = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  if (code != SQLITE_OK) return status_of(connection_.get(), code);
  Statement statement;
  statement.statement_.reset(prepared);
  return statement;
}

Expected<int64_t> Database::number(const std::string& sql) {
  SACCADE_ASSIGN_OR_RETURN(Statement statement, prepare(sql));
  SACCADE_ASSIGN_OR_RETURN(const bool has_row, statement.step());
  int64_t number = 0;
  if (has_row) statement.read(0, number);
  return number;
}

Expected<std::string> Database::text(const std::string& sql) {
  SACCADE_ASSIGN_OR_RETURN(Statement statement, prepare(sql));
  SACCADE_ASSIGN_OR_RETURN(const bool has_row, statement.step());
  std::string text;
  if (has_row) statement.read(0, text);
  return text;
}

int64_t Database::num_changes() const {
  return sqlite3_changes64(connection_.get());
}

bool Database::is_locked() const {
  return (sqlite3_errcode(connection_.get()) & 0xff) == SQLITE_BUSY;
}

bool Database::is_read_only() const {
  return sqlite3_db_readonly(connection_.get(), "main") != 0;
}

void Database::set_checkpoint_on_close(bool is_on) {
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, is_on ? 0 : 1, nullptr);
}

}  // namespace saccade::sqlite
