#include "weights/model_files.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/format.h"
#include "kernels/dequantize.h"

namespace saccade {
namespace {

// llama.cpp's name for files that hold a vision (or audio) part and no language model.
constexpr std::string_view kVisionArchitecture = "clip";

Expected<std::shared_ptr<const GgufFile>> open_part(const std::string& path) {
  SACCADE_ASSIGN_OR_RETURN(GgufFile file, GgufFile::open(path));
  const Metadata& metadata = file.metadata();
  if (auto architecture = metadata.string("general.architecture"); !architecture) {
    return architecture.status().with_context(path + ": not a model");
  }
  auto num_splits = metadata.integer_or("split.count", 1, 0, 65535);
  if (!num_splits) return num_splits.status().with_context(path);
  if (*num_splits > 1) {
    return unsupported(format("%s: one of %d parts of a split model; join them with `llama-gguf-split --merge` first",
                              path.c_str(), static_cast<int>(*num_splits)));
  }
  const auto type = metadata.string_or("general.type", "model");
  if (type && (*type == "adapter" || *type == "imatrix")) {
    return unsupported(path + ": holds " + (*type == "adapter" ? "an adapter (LoRA)" : "an importance matrix") +
                       ", not a model");
  }
  return std::make_shared<const GgufFile>(std::move(file));
}

bool is_vision_part(const GgufFile& file) {
  const auto architecture = file.metadata().string("general.architecture");
  return architecture && *architecture == kVisionArchitecture;
}

bool has_vision_tensors(const GgufFile& file) {
  return file.metadata().has("clip.vision.embedding_length") &&
         std::ranges::any_of(file.tensors(), [](const NamedTensor& tensor) { return tensor.name.starts_with("v."); });
}

Status check_single(const GgufFile& model) {
  if (!is_vision_part(model)) return {};
  return invalid_argument(model.path() +
                          ": the vision part (mmproj) of a model; give the language model first and this file with "
                          "--mmproj");
}

Status check_pair(const GgufFile& model, const GgufFile& mmproj) {
  if (is_vision_part(model)) {
    if (is_vision_part(mmproj)) {
      return invalid_argument("both files are vision parts (mmproj); " + model.path() +
                              " must be the language model instead");
    }
    return invalid_argument("the two files are swapped: " + model.path() + " is the vision part; give " +
                            mmproj.path() + " as the model and " + model.path() + " with --mmproj");
  }
  if (is_vision_part(mmproj)) {
    if (has_vision_tensors(mmproj)) return {};
    return invalid_argument(mmproj.path() + ": has no vision tower (an audio projector?)");
  }
  if (has_vision_tensors(mmproj)) {
    return invalid_argument(mmproj.path() +
                            ": holds a language model and its vision part; give it as the model, "
                            "without --mmproj");
  }
  return invalid_argument(mmproj.path() +
                          ": a language model, not a vision part; --mmproj takes the mmproj file that "
                          "belongs to the model");
}

// Leading dimensions of 1 say nothing: [1, n] and [n] are the same tensor to GGUF's writers.
bool is_same_shape(const Shape& a, const Shape& b) {
  const auto dim_from_end = [](const Shape& shape, int i) {
    return i < shape.rank() ? shape[shape.rank() - 1 - i] : 1;
  };
  for (int i = 0; i < Shape::kMaxRank; ++i) {
    if (dim_from_end(a, i) != dim_from_end(b, i)) return false;
  }
  return true;
}

}  // namespace

Expected<ModelFiles> ModelFiles::open(const std::string& model_path, const std::string& mmproj_path) {
  ModelFiles files;
  SACCADE_ASSIGN_OR_RETURN(files.language_, open_part(model_path));
  if (mmproj_path.empty()) {
    SACCADE_RETURN_IF_ERROR(check_single(*files.language_));
    if (has_vision_tensors(*files.language_)) files.vision_ = files.language_;
    return files;
  }
  SACCADE_ASSIGN_OR_RETURN(files.vision_, open_part(mmproj_path));
  SACCADE_RETURN_IF_ERROR(check_pair(*files.language_, *files.vision_));
  return files;
}

ModelFiles ModelFiles::of(GgufFile file) {
  ModelFiles files;
  files.language_ = std::make_shared<const GgufFile>(std::move(file));
  if (has_vision_tensors(*files.language_)) files.vision_ = files.language_;
  return files;
}

Expected<TensorView> TensorSource::take(std::string_view name, const Shape& shape) const {
  const NamedTensor* tensor = file_->find(name);
  if (tensor == nullptr) return not_found(file_->path() + ": tensor " + quote(name) + " is missing");
  if (!is_same_shape(tensor->view.shape, shape)) {
    return corrupt_data(format("%s: tensor %s at byte %llu has shape %s, %s is needed", file_->path().c_str(),
                               quote(name).c_str(), static_cast<unsigned long long>(tensor->offset_bytes),
                               tensor->view.shape.to_string().c_str(), shape.to_string().c_str()));
  }
  taken_->insert(tensor);
  TensorView view = tensor->view;
  view.shape = shape;
  return view;
}

Expected<TensorView> TensorSource::take_if_present(std::string_view name, const Shape& shape) const {
  if (!has(name)) return TensorView{};
  return take(name, shape);
}

TensorView TensorSource::peek(std::string_view name) const {
  const NamedTensor* tensor = file_->find(name);
  return tensor == nullptr ? TensorView{} : tensor->view;
}

Expected<Tensor> TensorSource::take_as_f32(std::string_view name, const Shape& shape) const {
  SACCADE_ASSIGN_OR_RETURN(const TensorView view, take(name, shape));
  Tensor tensor(shape);
  dequantize_row(view.dtype, view.data, tensor.floats().data(), shape.num_elements());
  return tensor;
}

Expected<Tensor> TensorSource::take_as_f32_if_present(std::string_view name, const Shape& shape) const {
  if (!has(name)) return Tensor();
  return take_as_f32(name, shape);
}

void TensorSource::leave_out(std::string_view prefix) const {
  for (const NamedTensor& tensor : file_->tensors()) {
    if (tensor.name.starts_with(prefix)) taken_->insert(&tensor);
  }
}

Status TensorSource::check_all_taken(std::string_view prefix) const {
  for (const NamedTensor& tensor : file_->tensors()) {
    if (!tensor.name.starts_with(prefix) || taken_->contains(&tensor)) continue;
    return unsupported(file_->path() + ": tensor " + quote(tensor.name) +
                       " is not part of the model as it is known here; without it the answers would be wrong");
  }
  return {};
}

}  // namespace saccade
