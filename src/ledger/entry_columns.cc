#include "ledger/entry_columns.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/format.h"

namespace saccade {
namespace {

// Names of enumerators, in their order: files keep these.
constexpr const char* kStatusNames[] = {"ok", "refused", "failed", "cancelled"};
constexpr const char* kModeNames[] = {"best_effort", "strict"};
constexpr const char* kClaimNames[] = {"full", "certified", "measured", "prior"};

const auto& names_of(RequestStatus) {
  return kStatusNames;
}
const auto& names_of(BudgetMode) {
  return kModeNames;
}
const auto& names_of(QualityClaim::Kind) {
  return kClaimNames;
}

const LedgerEntry kAnyEntry;  // where only the fields' names and types matter

template <typename T>
struct OptionalTraits {
  using Value = T;
  static constexpr bool kIsOptional = false;
};
template <typename T>
struct OptionalTraits<std::optional<T>> {
  using Value = T;
  static constexpr bool kIsOptional = true;
};

template <typename Field>
std::string type_of(const Field&) {
  using Value = typename OptionalTraits<Field>::Value;
  const char* type = "TEXT";
  if (std::is_same_v<Value, int64_t> || std::is_same_v<Value, bool>) type = "INTEGER";
  if (std::is_same_v<Value, double>) type = "REAL";
  if (std::is_same_v<Value, std::vector<float>>) type = "BLOB";
  return std::string(type) + (OptionalTraits<Field>::kIsOptional ? "" : " NOT NULL");
}

// Enumerators are kept by name.
template <typename Field>
void bind_field(sqlite::Statement& statement, int index, const Field& field) {
  if constexpr (!std::is_enum_v<typename OptionalTraits<Field>::Value>) {
    statement.bind(index, field);
  } else if constexpr (OptionalTraits<Field>::kIsOptional) {
    field ? bind_field(statement, index, *field) : statement.bind_null(index);
  } else {
    statement.bind(index, std::string_view(names_of(field)[static_cast<int>(field)]));
  }
}

template <typename Enum>
requires std::is_enum_v<Enum> Status read_field(const sqlite::Statement& statement, int column, const char* what,
                                                Enum& field) {
  std::string name;
  statement.read(column, name);
  const auto& names = names_of(field);
  const auto found = std::ranges::find(names, name);
  if (found == std::end(names)) return corrupt_data(format("%s is %s, which is none", what, quote(name).c_str()));
  field = static_cast<Enum>(found - std::begin(names));
  return {};
}

template <typename Field>
Status read_field(const sqlite::Statement& statement, int column, const char* what, Field& field) {
  if constexpr (!std::is_enum_v<typename OptionalTraits<Field>::Value>) {
    statement.read(column, field);
    return {};
  } else {  // an optional enumerator
    if (statement.is_null(column)) return {};
    return read_field(statement, column, what, field.emplace());
  }
}

bool is_finite(double number) {
  return std::isfinite(number);
}
bool is_finite(const std::optional<double>& number) {
  return !number || std::isfinite(*number);
}
bool is_finite(const std::vector<float>& numbers) {
  return std::ranges::all_of(numbers, [](float number) { return std::isfinite(number); });
}
template <typename Other>
bool is_finite(const Other&) {
  return true;
}

}  // namespace

std::string column_definitions() {
  std::string text;
  visit_columns(kAnyEntry, [&](const char* name, const auto& field) {
    text += std::string(text.empty() ? "" : ", ") + name + " " + type_of(field);
  });
  return text;
}

std::string column_names(const std::string& prefix) {
  std::string text;
  visit_columns(kAnyEntry, [&](const char* name, const auto&) { text += (text.empty() ? "" : ", ") + prefix + name; });
  return text;
}

std::string column_parameters() {
  std::string text;
  for (int i = 1; i <= num_columns(); ++i) text += format(i == 1 ? "?%d" : ", ?%d", i);
  return text;
}

int num_columns() {
  int count = 0;
  visit_columns(kAnyEntry, [&](const char*, const auto&) { ++count; });
  return count;
}

Status check_entry(const LedgerEntry& entry) {
  if (entry.request_id.empty()) return invalid_argument("an entry has no request_id");
  if (!(entry.propensity > 0 && entry.propensity <= 1)) {
    return invalid_argument(format("an entry's propensity is %g; it is over 0, up to 1", entry.propensity));
  }
  const char* bad = nullptr;
  visit_columns(entry, [&](const char* name, const auto& field) {
    if (!is_finite(field)) bad = name;
  });
  return bad == nullptr ? Status() : invalid_argument(format("an entry's %s is not a finite number", bad));
}

void bind_entry(const LedgerEntry& entry, sqlite::Statement& statement) {
  int index = 0;
  visit_columns(entry, [&](const char*, const auto& field) { bind_field(statement, ++index, field); });
}

Expected<LedgerEntry> read_entry(const sqlite::Statement& statement) {
  LedgerEntry entry;
  Status status;
  int column = 0;
  visit_columns(entry, [&](const char* name, auto& field) {
    const Status read = read_field(statement, column++, name, field);
    if (status.is_ok()) status = read;
  });
  if (!status.is_ok()) return status.with_context("request " + quote(entry.request_id));
  return entry;
}

}  // namespace saccade
