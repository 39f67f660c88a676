#include "temporary_model.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "base/format.h"
#include "weights/convert/convert.h"

namespace saccade::parity {

Expected<TemporaryModel> TemporaryModel::convert(const std::string& checkpoint_dir) {
  static std::atomic<int> counter = 0;
  const std::string name = format("saccade_parity_%d_%d.gguf", static_cast<int>(getpid()), counter++);
  ConvertOptions options;
  options.hf_dir = checkpoint_dir;
  options.out_path = (std::filesystem::temp_directory_path() / name).string();
  options.type = DType::kF32;
  options.num_threads = 1;
  SACCADE_ASSIGN_OR_RETURN(const ConvertReport report, convert_checkpoint(options));
  return TemporaryModel(report.files.front().path);
}

TemporaryModel::~TemporaryModel() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove(path_, ignored);
}

}  // namespace saccade::parity
