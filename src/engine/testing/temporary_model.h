// A checkpoint converted to a GGUF file that lives as long as this object, for tests.
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "base/format.h"
#include "saccade/status.h"
#include "weights/convert/convert.h"

namespace saccade::testing {

class TemporaryModel {
 public:
  /// Converts the folder with the program's own converter. Errors: those of convert_checkpoint().
  static Expected<TemporaryModel> convert(const std::string& checkpoint_dir, DType type = DType::kF32,
                                          const std::string& vision_tower_dir = "") {
    static std::atomic<int> counter = 0;
    const std::string name = format("saccade_test_%d_%d.gguf", static_cast<int>(getpid()), counter++);
    ConvertOptions options;
    options.hf_dir = checkpoint_dir;
    options.out_path = (std::filesystem::temp_directory_path() / name).string();
    options.type = type;
    options.vision_tower_dir = vision_tower_dir;
    options.num_threads = 1;
    SACCADE_ASSIGN_OR_RETURN(const ConvertReport report, convert_checkpoint(options));
    return TemporaryModel(report.files.front().path);
  }

  TemporaryModel(TemporaryModel&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryModel& operator=(TemporaryModel&&) = delete;
  ~TemporaryModel() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove(path_, ignored);
  }

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryModel(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace saccade::testing
