#include "weights/convert/config.h"

#include <cmath>

#include "base/format.h"

namespace saccade {

Config& Config::add(const Json* layer) {
  if (layer != nullptr && layer->is_object()) layers_.push_back(layer);
  return *this;
}

const Json* Config::find(std::string_view name) const {
  for (const Json* layer : layers_) {
    const Json* value = find_member(*layer, name);
    if (value != nullptr && !value->is_null()) return value;
  }
  return nullptr;
}

Status Config::wrong(std::string_view name, std::string_view wanted) const {
  const Json* value = find(name);
  if (value == nullptr) return not_found(path_ + ": " + quote(name) + " is missing");
  const std::string found = value->dump(-1, ' ', true, Json::error_handler_t::replace);
  return corrupt_data(path_ + ": " + quote(name) + " is " + quote(found) + ", not " + std::string(wanted));
}

Expected<int64_t> Config::integer(std::string_view name, int64_t min, int64_t max) const {
  const Json* value = find(name);
  const std::string wanted =
      format("an integer from %lld to %lld", static_cast<long long>(min), static_cast<long long>(max));
  if (value == nullptr || !value->is_number_integer()) return wrong(name, wanted);
  if (value->is_number_unsigned() && !std::in_range<int64_t>(value->get<uint64_t>())) return wrong(name, wanted);
  const auto integer = value->get<int64_t>();
  if (integer < min || integer > max) return wrong(name, wanted);
  return integer;
}

Expected<int64_t> Config::integer_or(std::string_view name, int64_t fallback, int64_t min, int64_t max) const {
  if (!has(name)) return fallback;
  return integer(name, min, max);
}

Expected<double> Config::number_or(std::string_view name, double fallback) const {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_number() || !std::isfinite(value->get<double>())) return wrong(name, "a finite number");
  return value->get<double>();
}

Expected<bool> Config::boolean_or(std::string_view name, bool fallback) const {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) return wrong(name, "true or false");
  return value->get<bool>();
}

Expected<std::string> Config::string_or(std::string_view name, std::string fallback) const {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_string()) return wrong(name, "a string");
  return value->get<std::string>();
}

Expected<std::vector<double>> Config::numbers(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr || !value->is_array()) return wrong(name, "a list of numbers");
  std::vector<double> numbers;
  for (const Json& element : *value) {
    if (!element.is_number() || !std::isfinite(element.get<double>())) return wrong(name, "a list of numbers");
    numbers.push_back(element.get<double>());
  }
  return numbers;
}

}  // namespace saccade
