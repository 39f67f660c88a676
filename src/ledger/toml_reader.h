// TOML tables read into plain values, with errors that name file, line and key. For the readers of files alone: it
// brings all of toml++ along.
#pragma once

#include <toml++/toml.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "saccade/status.h"

namespace saccade {

/// Reads one file's tables. A place is a table's name with its keys before it: "models.x". All errors are kCorruptData.
class TomlReader {
 public:
  /// Of `path` there is nothing read: it is for messages.
  explicit TomlReader(std::string path) : path_(std::move(path)) {}

  Expected<toml::table> parse(std::string_view text) const;

  Status error(const toml::node& node, const std::string& what) const;
  static std::string join(const std::string& place, std::string_view key);

  /// That the table has no keys but these.
  Status check_keys(const toml::table& table, const std::string& place, std::span<const char* const> known) const;

  /// A number, 0 or more, where the key is there; `may_be_infinite`: or inf. `expected` is for messages: "a price in
  /// USD".
  Status read_number(const toml::table& table, const std::string& place, const char* key, const char* expected,
                     bool may_be_infinite, double& target) const;
  /// The same; inf is no limit.
  Status read_limit(const toml::table& table, const std::string& place, const char* key, const char* expected,
                    std::optional<double>& target) const;
  Status read_text(const toml::table& table, const std::string& place, const char* key, std::string& target) const;

  /// Calls read(name, table, place) for each table under `key`.
  using ReadTable = FunctionRef<Status(const std::string& name, const toml::table& table, const std::string& place)>;
  Status for_each_table(const toml::table& root, const char* key, ReadTable read) const;

 private:
  const std::string path_;
};

}  // namespace saccade
