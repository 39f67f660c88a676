#include "weights/gguf_file.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "weights/foreign_file.h"
#include "weights/gguf_parser.h"

namespace saccade {

Expected<GgufFile> GgufFile::open(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return model_is_a_folder(path);
  GgufFile gguf;
  SACCADE_ASSIGN_OR_RETURN(gguf.file_, MappedFile::open(path));
  auto contents = parse_gguf(gguf.file_.bytes());
  if (!contents) return contents.status().with_context(path);
  gguf.version_ = contents->version;
  gguf.metadata_ = std::move(contents->metadata);
  gguf.tensors_ = std::move(contents->tensors);
  gguf.index_tensors();
  return gguf;
}

Expected<GgufFile> GgufFile::outline(const std::string& path, Metadata metadata, std::vector<NamedTensor> tensors) {
  GgufFile gguf;
  int64_t largest = 0;
  for (const NamedTensor& tensor : tensors) largest = std::max(largest, tensor.view.num_bytes());
  SACCADE_ASSIGN_OR_RETURN(gguf.file_, MappedFile::zeros(path, static_cast<uint64_t>(largest)));
  gguf.metadata_ = std::move(metadata);
  gguf.tensors_ = std::move(tensors);
  for (NamedTensor& tensor : gguf.tensors_) tensor.view.data = gguf.file_.bytes().data();
  gguf.index_tensors();
  return gguf;
}

void GgufFile::index_tensors() {
  tensor_idx_.reserve(tensors_.size());
  for (size_t i = 0; i < tensors_.size(); ++i) tensor_idx_.emplace(tensors_[i].name, i);
}

const NamedTensor* GgufFile::find(std::string_view name) const {
  const auto found = tensor_idx_.find(name);
  return found == tensor_idx_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace saccade
