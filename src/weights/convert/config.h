// Settings out of layered JSON objects: the first layer that has a name decides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"
#include "weights/json_text.h"

namespace saccade {

class Config {
 public:
  explicit Config(std::string path) : path_(std::move(path)) {}

  /// Adds a layer below those there; null and non-objects are skipped. The object must outlive this.
  Config& add(const Json* layer);

  /// Null where no layer has it, or has it as null.
  const Json* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }

  /// Errors: kNotFound or kCorruptData name the file and the setting.
  Expected<int64_t> integer(std::string_view name, int64_t min, int64_t max) const;
  Expected<int64_t> integer_or(std::string_view name, int64_t fallback, int64_t min, int64_t max) const;
  Expected<double> number_or(std::string_view name, double fallback) const;
  Expected<bool> boolean_or(std::string_view name, bool fallback) const;
  Expected<std::string> string_or(std::string_view name, std::string fallback) const;
  Expected<std::vector<double>> numbers(std::string_view name) const;

  const std::string& path() const { return path_; }

 private:
  Status wrong(std::string_view name, std::string_view wanted) const;

  std::string path_;
  std::vector<const Json*> layers_;
};

}  // namespace saccade
