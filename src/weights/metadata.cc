#include "weights/metadata.h"

#include <array>
#include <cmath>

#include "base/format.h"

namespace saccade {
namespace {

// In the order of MetadataValue's alternatives.
constexpr std::array<std::string_view, std::variant_size_v<MetadataValue>> kKindNames = {
    "a boolean",           "an integer",         "a number", "a string", "an array of booleans", "an array of integers",
    "an array of numbers", "an array of strings"};

Status missing(std::string_view key) {
  return not_found("key " + quote(key) + " is missing");
}

Status wrong_kind(std::string_view key, const MetadataValue& found, std::string_view wanted) {
  return corrupt_data("key " + quote(key) + " is " + std::string(kKindNames[found.index()]) + ", not " +
                      std::string(wanted));
}

template <typename T>
Expected<T> required(const Metadata& metadata, std::string_view key, std::string_view wanted) {
  const MetadataValue* value = metadata.find(key);
  if (value == nullptr) return missing(key);
  if (const T* typed = std::get_if<T>(value)) return *typed;
  return wrong_kind(key, *value, wanted);
}

}  // namespace

const MetadataValue* Metadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

Expected<bool> Metadata::boolean(std::string_view key) const {
  return required<bool>(*this, key, "a boolean");
}

Expected<int64_t> Metadata::integer(std::string_view key, int64_t min, int64_t max) const {
  SACCADE_ASSIGN_OR_RETURN(const int64_t value, required<int64_t>(*this, key, "an integer"));
  if (value < min || value > max) {
    return corrupt_data(format("key %s is %lld, outside %lld to %lld", quote(key).c_str(),
                               static_cast<long long>(value), static_cast<long long>(min),
                               static_cast<long long>(max)));
  }
  return value;
}

Expected<double> Metadata::number(std::string_view key) const {
  const MetadataValue* found = find(key);
  if (found == nullptr) return missing(key);
  if (const auto* integer = std::get_if<int64_t>(found)) return static_cast<double>(*integer);
  const auto* value = std::get_if<double>(found);
  if (value == nullptr) return wrong_kind(key, *found, "a number");
  if (!std::isfinite(*value)) return corrupt_data("key " + quote(key) + " is not a finite number");
  return *value;
}

Expected<std::string> Metadata::string(std::string_view key) const {
  return required<std::string>(*this, key, "a string");
}

Expected<std::vector<int64_t>> Metadata::integers(std::string_view key) const {
  return required<std::vector<int64_t>>(*this, key, "an array of integers");
}

Expected<std::vector<double>> Metadata::numbers(std::string_view key) const {
  const MetadataValue* found = find(key);
  if (found == nullptr) return missing(key);
  if (const auto* integers = std::get_if<std::vector<int64_t>>(found)) {
    return std::vector<double>(integers->begin(), integers->end());
  }
  const auto* values = std::get_if<std::vector<double>>(found);
  if (values == nullptr) return wrong_kind(key, *found, "an array of numbers");
  for (const double value : *values) {
    if (!std::isfinite(value)) return corrupt_data("key " + quote(key) + " holds a number that is not finite");
  }
  return *values;
}

Expected<std::vector<std::string>> Metadata::strings(std::string_view key) const {
  return required<std::vector<std::string>>(*this, key, "an array of strings");
}

Expected<bool> Metadata::boolean_or(std::string_view key, bool fallback) const {
  if (!has(key)) return fallback;
  return boolean(key);
}

Expected<int64_t> Metadata::integer_or(std::string_view key, int64_t fallback, int64_t min, int64_t max) const {
  if (!has(key)) return fallback;
  return integer(key, min, max);
}

Expected<double> Metadata::number_or(std::string_view key, double fallback) const {
  if (!has(key)) return fallback;
  return number(key);
}

Expected<std::string> Metadata::string_or(std::string_view key, std::string fallback) const {
  if (!has(key)) return fallback;
  return string(key);
}

const std::vector<std::string>* Metadata::find_strings(std::string_view key) const {
  const MetadataValue* value = find(key);
  return value == nullptr ? nullptr : std::get_if<std::vector<std::string>>(value);
}

}  // namespace saccade
