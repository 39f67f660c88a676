#include "weights/gguf_file.h"

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
  gguf.tensor_idx_.reserve(gguf.tensors_.size());
  for (size_t i = 0; i < gguf.tensors_.size(); ++i) gguf.tensor_idx_.emplace(gguf.tensors_[i].name, i);
  return gguf;
}

const NamedTensor* GgufFile::find(std::string_view name) const {
  const auto found = tensor_idx_.find(name);
  return found == tensor_idx_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace saccade
