// The key-value part of a GGUF file, typed and checked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "saccade/status.h"

namespace saccade {

/// Integers of every width arrive as int64_t (uint64 values above its range are refused when parsed), floats as
/// double. Arrays are of one of four kinds; arrays of arrays are refused.
using MetadataValue = std::variant<bool, int64_t, double, std::string, std::vector<bool>, std::vector<int64_t>,
                                   std::vector<double>, std::vector<std::string>>;

class Metadata {
 public:
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const MetadataValue* find(std::string_view key) const;

  /// A required value. Errors: kNotFound names the key; kCorruptData names the key, the type found and the one wanted.
  Expected<bool> boolean(std::string_view key) const;
  Expected<int64_t> integer(std::string_view key, int64_t min, int64_t max) const;
  Expected<double> number(std::string_view key) const;  // an integer is taken too; must be finite
  Expected<std::string> string(std::string_view key) const;
  Expected<std::vector<int64_t>> integers(std::string_view key) const;
  Expected<std::vector<double>> numbers(std::string_view key) const;
  Expected<std::vector<std::string>> strings(std::string_view key) const;

  /// The same with a value for an absent key; a present key of the wrong type is still an error.
  Expected<bool> boolean_or(std::string_view key, bool fallback) const;
  Expected<int64_t> integer_or(std::string_view key, int64_t fallback, int64_t min, int64_t max) const;
  Expected<double> number_or(std::string_view key, double fallback) const;
  Expected<std::string> string_or(std::string_view key, std::string fallback) const;

  /// Large arrays without a copy (vocabularies); null when absent or of another type.
  const std::vector<std::string>* find_strings(std::string_view key) const;

  void set(std::string key, MetadataValue value) { values_[std::move(key)] = std::move(value); }
  const std::map<std::string, MetadataValue, std::less<>>& values() const { return values_; }

 private:
  std::map<std::string, MetadataValue, std::less<>> values_;
};

}  // namespace saccade
