#include "ledger/toml_reader.h"

#include <algorithm>
#include <cmath>

#include "base/format.h"

namespace saccade {

Expected<toml::table> TomlReader::parse(std::string_view text) const {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto line = static_cast<unsigned>(error.source().begin.line);
    return corrupt_data(format("%s:%u: %s", path_.c_str(), line, std::string(error.description()).c_str()));
  }
}

Status TomlReader::error(const toml::node& node, const std::string& what) const {
  return corrupt_data(
      format("%s:%u: %s", path_.c_str(), static_cast<unsigned>(node.source().begin.line), what.c_str()));
}

std::string TomlReader::join(const std::string& place, std::string_view key) {
  return place + (place.empty() ? "" : ".") + std::string(key);
}

Status TomlReader::check_keys(const toml::table& table, const std::string& place,
                              std::span<const char* const> known) const {
  for (const auto& [key, node] : table) {
    if (std::ranges::find(known, key.str()) != known.end()) continue;
    std::string list;
    for (const char* name : known) list += std::string(list.empty() ? "" : ", ") + name;
    return error(node, "there is no " + quote(join(place, key.str())) + "; known here: " + list);
  }
  return {};
}

Status TomlReader::read_number(const toml::table& table, const std::string& place, const char* key,
                               const char* expected, bool may_be_infinite, double& target) const {
  const toml::node* node = table.get(key);
  if (node == nullptr) return {};
  const std::optional<double> number = node->is_number() ? node->value<double>() : std::nullopt;
  if (!number || !(*number >= 0) || (std::isinf(*number) && !may_be_infinite)) {
    return error(*node, quote(join(place, key)) + " is not " + expected +
                            (may_be_infinite ? ": a number, 0 or more, or inf" : ": a number, 0 or more"));
  }
  target = *number;
  return {};
}

Status TomlReader::read_limit(const toml::table& table, const std::string& place, const char* key, const char* expected,
                              std::optional<double>& target) const {
  double limit = target.value_or(HUGE_VAL);
  SACCADE_RETURN_IF_ERROR(read_number(table, place, key, expected, true, limit));
  target = std::isinf(limit) ? std::nullopt : std::optional(limit);
  return {};
}

Status TomlReader::read_text(const toml::table& table, const std::string& place, const char* key,
                             std::string& target) const {
  const toml::node* node = table.get(key);
  if (node == nullptr) return {};
  const auto text = node->value<std::string>();
  if (!text) return error(*node, quote(join(place, key)) + " is not a text in quotes");
  target = *text;
  return {};
}

Status TomlReader::for_each_table(const toml::table& root, const char* key, ReadTable read) const {
  const toml::node* node = root.get(key);
  if (node == nullptr) return {};
  if (!node->is_table()) return error(*node, quote(key) + " is not a table");
  for (const auto& [name, inner] : *node->as_table()) {
    const std::string place = join(key, name.str());
    if (!inner.is_table()) return error(inner, quote(place) + " is not a table");
    SACCADE_RETURN_IF_ERROR(read(std::string(name.str()), *inner.as_table(), place));
  }
  return {};
}

}  // namespace saccade
