#include "weights/convert/checkpoint.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/format.h"

namespace saccade {
namespace {

Expected<Json> read_if_present(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return Json::object();
  return read_json_object(path);
}

// `name` with the prefix `from` replaced.
std::string with_prefix(std::string_view name, std::string_view from, std::string_view to) {
  return std::string(to).append(name.substr(from.size()));
}

std::span<const int64_t> without_leading_ones(std::span<const int64_t> dims) {
  while (dims.size() > 1 && dims.front() == 1) dims = dims.subspan(1);
  return dims;
}

std::string dims_text(std::span<const int64_t> dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  return text + "]";
}

}  // namespace

std::string Checkpoint::path_of(std::string_view file) const {
  return (std::filesystem::path(dir_) / file).string();
}

bool Checkpoint::has_file(std::string_view file) const {
  std::error_code ignored;
  return std::filesystem::exists(path_of(file), ignored);
}

Expected<Checkpoint> Checkpoint::open(const std::string& dir) {
  Checkpoint checkpoint;
  checkpoint.dir_ = dir;
  std::error_code error;
  const std::filesystem::file_type type = std::filesystem::status(dir, error).type();
  if (error && type != std::filesystem::file_type::not_found) {
    return io_error(dir + ": cannot open: " + error.message());
  }
  if (type != std::filesystem::file_type::directory) {
    return not_found(dir + ": not a folder; give the folder that holds config.json and the safetensors files");
  }
  if (std::filesystem::status(checkpoint.config_path(), error).type() == std::filesystem::file_type::not_found) {
    return not_found(dir + ": no config.json in this folder");
  }
  SACCADE_RETURN_IF_ERROR(checkpoint.read_settings());
  return checkpoint;
}

Expected<Checkpoint> Checkpoint::open_settings(const std::string& path) {
  std::error_code ignored;
  Checkpoint checkpoint;
  if (std::filesystem::is_directory(path, ignored)) {
    SACCADE_ASSIGN_OR_RETURN(checkpoint, open(path));
  } else {
    checkpoint.dir_ = std::filesystem::path(path).parent_path().string();
    checkpoint.config_file_ = std::filesystem::path(path).filename().string();
    SACCADE_RETURN_IF_ERROR(checkpoint.read_settings());
  }
  checkpoint.has_settings_alone_ = true;
  return checkpoint;
}

Status Checkpoint::read_settings() {
  SACCADE_ASSIGN_OR_RETURN(Json config, read_json_object(config_path()));
  SACCADE_ASSIGN_OR_RETURN(Json generation, read_if_present(path_of("generation_config.json")));
  SACCADE_ASSIGN_OR_RETURN(Json preprocessor, read_if_present(path_of("preprocessor_config.json")));
  SACCADE_ASSIGN_OR_RETURN(const Json processor, read_if_present(path_of("processor_config.json")));
  if (const Json* image = find_member(processor, "image_processor"); image != nullptr && image->is_object()) {
    preprocessor.update(*image);
  }
  config_ = std::make_unique<Json>(std::move(config));
  generation_config_ = std::make_unique<Json>(std::move(generation));
  preprocessor_config_ = std::make_unique<Json>(std::move(preprocessor));
  return {};
}

void Checkpoint::assume(std::string_view name, std::vector<int64_t> dims) {
  auto tensor = std::make_unique<SafeTensor>();
  tensor->name = name;
  tensor->dtype_name = "BF16";
  tensor->dtype = DType::kBF16;
  tensor->dims = std::move(dims);
  tensor->num_elements = 1;
  for (const int64_t dim : tensor->dims) tensor->num_elements *= dim;
  tensors_[std::string(name)] = tensor.get();
  assumed_tensors_.push_back(std::move(tensor));
}

bool Checkpoint::has(std::string_view name) const {
  return find(name) != nullptr || std::ranges::any_of(assumed_, [&](const auto& is_there) { return is_there(name); });
}

std::span<Checkpoint::AppliedRule> Checkpoint::add_rules(std::span<const PrefixRule> rules, const std::string& dir) {
  for (const PrefixRule& rule : rules) rules_.push_back({rule, dir});
  return std::span(rules_).last(rules.size());
}

std::optional<std::string> Checkpoint::canonical_name(std::span<AppliedRule> rules, std::string_view name) {
  AppliedRule* best = nullptr;
  for (AppliedRule& candidate : rules) {
    const std::string_view from = candidate.rule.from;
    if (name.starts_with(from) && (best == nullptr || from.size() > best->rule.from.size())) best = &candidate;
  }
  if (best == nullptr) return std::nullopt;
  ++best->num_tensors;
  return with_prefix(name, best->rule.from, best->rule.to);
}

// The name that the tensor would have in the checkpoint: several rules may lead to `name`, and the one that named most
// of the tensors that are there is this checkpoint's.
Status Checkpoint::missing(std::string_view name) const {
  const AppliedRule* best = nullptr;
  const auto rank = [](const AppliedRule& rule) { return std::pair(rule.num_tensors, rule.rule.to.size()); };
  for (const AppliedRule& candidate : rules_) {
    if (!name.starts_with(candidate.rule.to)) continue;
    if (best == nullptr || rank(candidate) > rank(*best)) best = &candidate;
  }
  if (best == nullptr) return corrupt_data(dir_ + ": tensor " + quote(name) + " is missing; is the download complete?");
  const std::string own_name = with_prefix(name, best->rule.to, best->rule.from);
  return corrupt_data(best->dir + ": tensor " + quote(own_name) + " is missing; is the download complete?");
}

Status Checkpoint::open_tensors(std::span<const PrefixRule> rules) {
  SACCADE_ASSIGN_OR_RETURN(SafetensorsCheckpoint opened, SafetensorsCheckpoint::open(dir_));
  files_.push_back(std::make_unique<SafetensorsCheckpoint>(std::move(opened)));
  const std::span<AppliedRule> applied = add_rules(rules, dir_);
  for (const auto& [name, tensor] : files_.back()->tensors()) {
    const std::string canonical = canonical_name(applied, name).value_or(name);
    if (const auto [at, is_new] = tensors_.emplace(canonical, &tensor); !is_new) {
      return corrupt_data(dir_ + ": tensors " + quote(at->second->name) + " and " + quote(name) + " are the same part");
    }
  }
  return {};
}

Status Checkpoint::add_vision_tower(const std::string& dir) {
  static constexpr std::array<PrefixRule, 5> kRules = {{
      {"vision_model.", "vision."},
      {"embeddings.", "vision.embeddings."},
      {"encoder.", "vision.encoder."},
      {"pre_layrnorm.", "vision.pre_layrnorm."},
      {"post_layernorm.", "vision.post_layernorm."},
  }};
  SACCADE_ASSIGN_OR_RETURN(const Checkpoint tower, Checkpoint::open(dir));
  SACCADE_ASSIGN_OR_RETURN(SafetensorsCheckpoint opened, SafetensorsCheckpoint::open(dir));
  files_.push_back(std::make_unique<SafetensorsCheckpoint>(std::move(opened)));
  const std::span<AppliedRule> applied = add_rules(kRules, dir);
  for (const auto& [name, tensor] : files_.back()->tensors()) {
    if (const auto canonical = canonical_name(applied, name)) tensors_.emplace(*canonical, &tensor);
  }
  tower_dir_ = dir;
  if (preprocessor_config_->empty()) *preprocessor_config_ = tower.preprocessor_config();
  return {};
}

const SafeTensor* Checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(std::string(name));
  return found == tensors_.end() ? nullptr : found->second;
}

Expected<const SafeTensor*> Checkpoint::take(std::string_view name, std::span<const int64_t> dims) {
  if (has_settings_alone_ && find(name) == nullptr) assume(name, {dims.begin(), dims.end()});
  const SafeTensor* tensor = find(name);
  if (tensor == nullptr) return missing(name);
  if (!std::ranges::equal(without_leading_ones(tensor->dims), without_leading_ones(dims))) {
    return corrupt_data(dir_ + ": tensor " + quote(tensor->name) + " is " + tensor->to_string() +
                        "; the settings say " + dims_text(dims));
  }
  if (!tensor->dtype) {
    return unsupported(dir_ + ": tensor " + quote(tensor->name) + " is " + tensor->to_string() +
                       "; weights may be F32, F16 or BF16");
  }
  used_.emplace(name);
  return tensor;
}

Expected<std::vector<int64_t>> Checkpoint::dims_of(std::string_view name, size_t rank) const {
  const SafeTensor* tensor = find(name);
  if (tensor == nullptr) return missing(name);
  if (tensor->dims.size() != rank || tensor->num_elements == 0) {
    return corrupt_data(dir_ + ": tensor " + quote(tensor->name) + " is " + tensor->to_string() +
                        format("; %zu dimensions are wanted", rank));
  }
  return tensor->dims;
}

void Checkpoint::ignore(std::string_view prefix) {
  for (const auto& [name, tensor] : tensors_) {
    if (name.starts_with(prefix)) used_.insert(name);
  }
}

std::vector<std::string> Checkpoint::left_over() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_) {
    if (!used_.contains(name)) names.push_back(tensor->name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace saccade
