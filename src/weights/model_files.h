// The one or two GGUF files that make a vision-language model, and the tensors in them by name and shape.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/gguf_file.h"

namespace saccade {

class ModelFiles {
 public:
  /// `model_path` is a language model, or our single file with both parts; `mmproj_path` is the vision part of the
  /// pair that people have, or empty. Swapped arguments and files of the wrong kind get an error that says so.
  static Expected<ModelFiles> open(const std::string& model_path, const std::string& mmproj_path);

  /// Of one file with both parts, or a language model alone.
  static ModelFiles of(GgufFile file);

  const Metadata& language_metadata() const { return language_->metadata(); }
  const GgufFile& language_file() const { return *language_; }

  bool has_vision() const { return vision_ != nullptr; }
  /// The file with the clip.* keys and v.*, mm.* tensors: the mmproj, or the same single file.
  const Metadata& vision_metadata() const { return vision_->metadata(); }
  const GgufFile& vision_file() const { return *vision_; }
  bool is_single_file() const { return vision_ == language_; }

 private:
  std::shared_ptr<const GgufFile> language_;
  std::shared_ptr<const GgufFile> vision_;
};

/// Tensors of one file, taken by name with the shape they must have. Remembers which were taken; copies share that.
/// Thread safety: one thread at a time.
class TensorSource {
 public:
  explicit TensorSource(const GgufFile& file) : file_(&file) {}

  const GgufFile& file() const { return *file_; }
  bool has(std::string_view name) const { return file_->find(name) != nullptr; }
  /// Errors: kNotFound (the tensor's name and the file), kCorruptData (the shape found and the shape needed).
  Expected<TensorView> take(std::string_view name, const Shape& shape) const;
  /// The same, or an empty view if there is none of that name.
  Expected<TensorView> take_if_present(std::string_view name, const Shape& shape) const;
  /// Any shape; an empty view if there is none of that name.
  TensorView peek(std::string_view name) const;
  /// A small tensor (norm weight, bias) as f32, whatever its type in the file.
  Expected<Tensor> take_as_f32(std::string_view name, const Shape& shape) const;
  Expected<Tensor> take_as_f32_if_present(std::string_view name, const Shape& shape) const;  // empty Tensor if absent

  /// Counts the tensors whose names begin with `prefix` as taken: a part that is left out on purpose.
  void leave_out(std::string_view prefix) const;
  /// Whether every tensor whose name begins with `prefix` was taken. Errors: kUnsupported names the first that was not,
  /// a part of the model that would otherwise be left out unnoticed.
  Status check_all_taken(std::string_view prefix) const;

 private:
  using TakenSet = std::unordered_set<const NamedTensor*>;

  const GgufFile* file_;
  std::shared_ptr<TakenSet> taken_ = std::make_shared<TakenSet>();
};

}  // namespace saccade
