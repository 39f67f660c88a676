// SQLite with values and Status. A connection and its statements belong to one thread at a time. Messages do not name
// the file: the caller does (Status::with_context).
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace saccade::sqlite {

/// A prepared statement. Parameters count from 1, columns from 0. What goes wrong while binding is told by step().
class Statement {
 public:
  Statement() = default;

  // Texts and blobs must live until reset().
  void bind(int index, std::string_view text);
  void bind(int index, int64_t number);
  void bind(int index, double number);
  void bind(int index, std::same_as<bool> auto value) { bind(index, static_cast<int64_t>(value)); }  // not pointers
  void bind(int index, const std::vector<float>& numbers);
  template <typename T>
  void bind(int index, const std::optional<T>& value) {
    value ? bind(index, *value) : bind_null(index);
  }
  void bind_null(int index);

  /// True: there is a row.
  Expected<bool> step();
  /// Runs a statement without rows and makes it ready for the next time, whatever came of it.
  Status run();
  void reset();

  void read(int column, std::string& text) const;
  void read(int column, int64_t& number) const;
  void read(int column, double& number) const;
  void read(int column, bool& value) const;
  void read(int column, std::vector<float>& numbers) const;
  template <typename T>
  void read(int column, std::optional<T>& value) const {
    if (is_null(column)) {
      value.reset();
    } else {
      read(column, value.emplace());
    }
  }
  bool is_null(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bind_error_ = 0;  // the first one
};

enum class OpenMode : uint8_t { kRead, kWrite, kCreate };

class Database {
 public:
  /// The path is never taken for a URI. Where others hold the lock, statements wait for `max_wait_ms`.
  static Expected<Database> open(const std::string& path, OpenMode mode, int max_wait_ms);

  /// One or several statements without parameters and rows.
  Status execute(const std::string& sql);
  Expected<Statement> prepare(const std::string& sql);
  /// The number in the first row: of a pragma, a count.
  Expected<int64_t> number(const std::string& sql);
  Expected<std::string> text(const std::string& sql);

  /// Rows that the last INSERT or UPDATE changed.
  int64_t num_changes() const;
  /// What failed last failed because others hold the lock.
  bool is_locked() const;
  /// The file or its folder does not let us write.
  bool is_read_only() const;
  /// Whether closing the last connection moves what is in the write-ahead log into the file. On from the beginning.
  void set_checkpoint_on_close(bool is_on);

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  struct Patience {
    int max_wait_ms = 0;
    double began_ms = 0;
  };
  static int wait_for_lock(void* patience, int num_waits);

  std::unique_ptr<Patience> patience_;  // the connection's busy handler points at it
  std::unique_ptr<sqlite3, Close> connection_;
};

}  // namespace saccade::sqlite
