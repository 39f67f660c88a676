#include "weights/convert/convert.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/format.h"
#include "kernels/dequantize.h"
#include "weights/convert/family.h"
#include "weights/convert/storage_type.h"
#include "weights/convert/tensor_stream.h"
#include "weights/convert/tokenizer_keys.h"

namespace saccade {
namespace {

// general.file_type of llama.cpp.
uint32_t file_type_of(DType type) {
  switch (type) {
    case DType::kF16:
      return 1;
    case DType::kQ4_0:
      return 2;
    case DType::kQ8_0:
      return 7;
    case DType::kBF16:
      return 32;
    default:
      return 0;
  }
}

Status check_options(const ConvertOptions& options) {
  if (!can_quantize_to(options.type)) {
    return invalid_argument("weights cannot be converted to " + std::string(traits_of(options.type).name) +
                            "; choose f32, f16, bf16, q8_0 or q4_0");
  }
  if (options.out_path.empty()) return invalid_argument("no output file given");
  const auto place_of = [](const std::string& path) {
    std::error_code ignored;
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
  };
  if (!options.mmproj_path.empty() && place_of(options.out_path) == place_of(options.mmproj_path)) {
    return invalid_argument("the two output files have the same name");
  }
  return {};
}

std::string name_of(const ConvertOptions& options) {
  const std::filesystem::path dir = std::filesystem::path(options.hf_dir).lexically_normal();
  return (dir.has_filename() ? dir : dir.parent_path()).filename().string();
}

GgufKeys general_keys(const ConvertOptions& options, const std::string& architecture, const char* type) {
  GgufKeys keys;
  keys.set_string("general.architecture", architecture);
  keys.set_string("general.type", type);
  keys.set_string("general.name", name_of(options));
  keys.set_u32("general.file_type", file_type_of(options.type));
  if (traits_of(options.type).block_size > 1) keys.set_u32("general.quantization_version", 2);
  return keys;
}

// One file to be written: its keys and which tensors of the plan it has.
struct OutputFile {
  std::string path;
  GgufKeys keys;
  std::vector<const TensorPlan*> tensors;
};

std::vector<OutputFile> split_files(const ConvertOptions& options, const ModelPlan& plan) {
  const bool is_pair = plan.has_vision && !options.mmproj_path.empty();
  std::vector<OutputFile> files(is_pair ? 2 : 1);
  files[0].path = options.out_path;
  files[0].keys = general_keys(options, plan.architecture, "model");
  files[0].keys.append(plan.language_keys);
  if (is_pair) {
    files[1].path = options.mmproj_path;
    files[1].keys = general_keys(options, "clip", "mmproj");
  }
  files.back().keys.append(plan.vision_keys);
  for (const TensorPlan& tensor : plan.tensors) {
    OutputFile& file = tensor.part == ModelPart::kVision ? files.back() : files.front();
    file.tensors.push_back(&tensor);
  }
  return files;
}

void count(ConvertReport& report, const TensorPlan& tensor, DType type) {
  const uint64_t num_elements = static_cast<uint64_t>(tensor.shape.num_elements());
  (tensor.part == ModelPart::kVision ? report.num_vision_parameters : report.num_language_parameters) += num_elements;
  auto found = std::ranges::find(report.types, type, &ConvertReport::TypeCount::dtype);
  if (found == report.types.end()) found = report.types.insert(found, {type, 0, 0});
  ++found->num_tensors;
  found->num_bytes += static_cast<uint64_t>(TensorView{type, tensor.shape, nullptr}.num_bytes());
}

class Converter {
 public:
  Converter(const ConvertOptions& options, ConvertReport& report)
      : options_(options), report_(report), stream_(options.num_threads) {}

  // Both files get their names only when both are complete.
  Status write(const std::vector<OutputFile>& files) {
    for (const OutputFile& file : files) {
      for (const TensorPlan* tensor : file.tensors) num_elements_total_ += tensor->shape.num_elements();
    }
    std::vector<GgufWriter> writers;
    for (const OutputFile& file : files) {
      SACCADE_ASSIGN_OR_RETURN(GgufWriter writer, write_file(file));
      writers.push_back(std::move(writer));
    }
    for (size_t i = 0; i < writers.size(); ++i) {
      SACCADE_RETURN_IF_ERROR(writers[i].finish());
      report_.files.push_back({files[i].path, writers[i].file_bytes()});
    }
    return {};
  }

 private:
  Expected<GgufWriter> write_file(const OutputFile& file) {
    std::vector<GgufTensorPlan> table;
    for (const TensorPlan* tensor : file.tensors) {
      const StorageChoice choice = choose_storage(*tensor, options_.type);
      if (!choice.reason.empty()) report_.fallbacks.push_back(tensor->name + ": " + choice.reason);
      table.push_back({tensor->name, tensor->shape, choice.type});
      count(report_, *tensor, choice.type);
    }
    SACCADE_ASSIGN_OR_RETURN(GgufWriter writer, GgufWriter::create(file.path, file.keys, table));
    for (size_t i = 0; i < file.tensors.size(); ++i) {
      const TensorPlan& tensor = *file.tensors[i];
      const auto before_chunk = [&](int64_t num_written) { return tell_progress(tensor, num_written); };
      SACCADE_RETURN_IF_ERROR(stream_.write(tensor, table[i].dtype, writer, before_chunk, report_.warnings));
      num_elements_done_ += tensor.shape.num_elements();
    }
    return writer;
  }

  Status tell_progress(const TensorPlan& tensor, int64_t num_written) const {
    const auto num_done = static_cast<double>(num_elements_done_ + num_written);
    const double fraction = num_done / static_cast<double>(num_elements_total_);
    if (options_.progress && !options_.progress(fraction, tensor.name)) return cancelled("conversion cancelled");
    return {};
  }

  const ConvertOptions& options_;
  ConvertReport& report_;
  TensorStream stream_;
  int64_t num_elements_total_ = 0;
  int64_t num_elements_done_ = 0;
};

void warn_left_over(const Checkpoint& checkpoint, std::vector<std::string>& warnings) {
  constexpr size_t kMaxListed = 8;
  const std::vector<std::string> names = checkpoint.left_over();
  for (size_t i = 0; i < names.size() && i < kMaxListed; ++i) {
    warnings.push_back("tensor " + quote(names[i]) + " is not known and was left out");
  }
  if (names.size() > kMaxListed) {
    warnings.push_back(format("%zu more tensors are not known and were left out", names.size() - kMaxListed));
  }
}

int64_t vocab_size_of(const ModelPlan& plan) {
  const auto embedding = std::ranges::find(plan.tensors, "token_embd.weight", &TensorPlan::name);
  return embedding->shape[0];
}

}  // namespace

Expected<ConvertReport> convert_checkpoint(const ConvertOptions& options) {
  SACCADE_RETURN_IF_ERROR(check_options(options));
  SACCADE_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::open(options.hf_dir));
  SACCADE_ASSIGN_OR_RETURN(const Family* family, find_family(checkpoint));
  SACCADE_RETURN_IF_ERROR(checkpoint.open_tensors(family->prefixes));
  if (!options.vision_tower_dir.empty()) {
    SACCADE_RETURN_IF_ERROR(checkpoint.add_vision_tower(options.vision_tower_dir));
  }
  ModelPlan plan;
  PlanBuilder builder(checkpoint, plan);
  SACCADE_RETURN_IF_ERROR(family->plan(builder));
  SACCADE_RETURN_IF_ERROR(write_tokenizer_keys(builder, vocab_size_of(plan)));
  warn_left_over(checkpoint, plan.warnings);
  if (!plan.has_vision && !options.mmproj_path.empty()) {
    return invalid_argument(options.hf_dir + ": has no vision part, so there is nothing to write to " +
                            options.mmproj_path);
  }
  ConvertReport report;
  report.family = family->name;
  report.architecture = plan.architecture;
  report.warnings = plan.warnings;
  SACCADE_RETURN_IF_ERROR(Converter(options, report).write(split_files(options, plan)));
  return report;
}

}  // namespace saccade
