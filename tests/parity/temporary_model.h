// A checkpoint converted to a GGUF file that lives as long as this object.
#pragma once

#include <string>
#include <utility>

#include "saccade/status.h"

namespace saccade::parity {

class TemporaryModel {
 public:
  /// Converts the folder to f32 with the program's own converter. Errors: those of convert_checkpoint().
  static Expected<TemporaryModel> convert(const std::string& checkpoint_dir);

  TemporaryModel(TemporaryModel&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryModel& operator=(TemporaryModel&&) = delete;
  ~TemporaryModel();

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryModel(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace saccade::parity
