// A checkpoint folder: its settings, and its tensors under names that do not depend on the version that saved it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "saccade/status.h"
#include "weights/convert/config.h"
#include "weights/json_text.h"
#include "weights/safetensors_file.h"

namespace saccade {

/// Transformers has named the same module differently over the years; `to` is this converter's one name for it:
/// `lm.` (layers, embed_tokens, norm), `lm_head.`, `vision.`, `projector.`, `scheduler.`.
struct PrefixRule {
  std::string_view from;
  std::string_view to;
};

class Checkpoint {
 public:
  /// Reads config.json, generation_config.json and the processor's files. Errors: kNotFound without a config.json.
  static Expected<Checkpoint> open(const std::string& dir);
  /// The settings alone, of such a folder or of a config.json by itself. Tensors that are taken count as there, in the
  /// sizes that they are asked for in and without values; of those that not every checkpoint has, the assumed ones.
  static Expected<Checkpoint> open_settings(const std::string& path);
  bool has_settings_alone() const { return has_settings_alone_; }
  void assume(std::string_view name, std::vector<int64_t> dims);
  void assume_where(std::function<bool(std::string_view name)> is_there) { assumed_.push_back(std::move(is_there)); }

  const std::string& dir() const { return dir_; }
  std::string path_of(std::string_view file) const;
  bool has_file(std::string_view file) const;

  const Json& config() const { return *config_; }
  const Json& generation_config() const { return *generation_config_; }
  /// The image processor's settings: preprocessor_config.json, overlaid by processor_config.json's image_processor.
  const Json& preprocessor_config() const { return *preprocessor_config_; }
  std::string config_path() const { return path_of(config_file_); }

  /// Opens the tensors and names them by the rules: of those whose `from` starts a name, the longest is applied. A
  /// name that none fits keeps its own.
  Status open_tensors(std::span<const PrefixRule> rules);
  /// Adds the `vision.` tensors of a folder that holds a CLIP model (the whole of it, or its tower alone), and takes
  /// the image processor's settings from there where this folder has none.
  Status add_vision_tower(const std::string& dir);
  const std::string& tower_dir() const { return tower_dir_; }  // empty without one

  bool has(std::string_view name) const;
  const SafeTensor* find(std::string_view name) const;
  /// Errors: kCorruptData (missing, shape), kUnsupported (type), with the checkpoint's own tensor name. Leading
  /// dimensions of 1 do not count.
  Expected<const SafeTensor*> take(std::string_view name, std::span<const int64_t> dims);
  /// The sizes of a tensor that must be there, to learn a width from; it does not count as taken.
  Expected<std::vector<int64_t>> dims_of(std::string_view name, size_t rank) const;
  /// Tensors that start like this are known and not wanted.
  void ignore(std::string_view prefix);
  /// Names in the checkpoint that were neither taken nor ignored.
  std::vector<std::string> left_over() const;

 private:
  struct AppliedRule {
    PrefixRule rule;
    std::string dir;          // of the tensors it is for
    int64_t num_tensors = 0;  // that it named
  };
  std::span<AppliedRule> add_rules(std::span<const PrefixRule> rules, const std::string& dir);
  Status read_settings();
  static std::optional<std::string> canonical_name(std::span<AppliedRule> rules, std::string_view name);
  Status missing(std::string_view name) const;

  std::string dir_;
  std::string config_file_ = "config.json";
  std::string tower_dir_;
  bool has_settings_alone_ = false;
  std::vector<std::function<bool(std::string_view name)>> assumed_;
  std::vector<std::unique_ptr<SafeTensor>> assumed_tensors_;
  // Behind pointers, so that Config layers stay valid when this is moved.
  std::unique_ptr<Json> config_;
  std::unique_ptr<Json> generation_config_;
  std::unique_ptr<Json> preprocessor_config_;
  std::vector<std::unique_ptr<SafetensorsCheckpoint>> files_;
  std::unordered_map<std::string, const SafeTensor*> tensors_;  // by this converter's name
  std::set<std::string> used_;
  std::vector<AppliedRule> rules_;  // all that open_tensors and add_vision_tower were given
};

}  // namespace saccade
