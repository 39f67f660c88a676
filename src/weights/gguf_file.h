// A GGUF file (version 2 or 3, little-endian), mapped into memory and checked before anything of it is used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "platform/mapped_file.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/metadata.h"

namespace saccade {

struct NamedTensor {
  std::string name;
  TensorView view;            // shape outermost first (GGUF's own order reversed)
  uint64_t offset_bytes = 0;  // from the start of the file
};

class GgufFile {
 public:
  /// Every count, offset, dimension, string and type is checked against the size of the file, so a truncated, hostile
  /// or foreign file is an error that names the key or tensor and the byte; never a crash, never memory for more
  /// elements than the file has bytes for. Errors: kNotFound, kIoError, kCorruptData, kUnsupported (a type or version
  /// not known here, a file or folder of another kind: what it is and what to do).
  static Expected<GgufFile> open(const std::string& path);

  /// A file that is not there, as it would be: keys and tensors with names, types and shapes, all numbers zero (no
  /// memory is taken for them). Errors: those of MappedFile::zeros().
  static Expected<GgufFile> outline(const std::string& path, Metadata metadata, std::vector<NamedTensor> tensors);

  const std::string& path() const { return file_.path(); }
  uint64_t file_bytes() const { return file_.bytes().size(); }
  uint32_t version() const { return version_; }
  const Metadata& metadata() const { return metadata_; }
  const std::vector<NamedTensor>& tensors() const { return tensors_; }
  const NamedTensor* find(std::string_view name) const;
  const MappedFile& mapping() const { return file_; }

 private:
  void index_tensors();

  MappedFile file_;
  uint32_t version_ = 0;
  Metadata metadata_;
  std::vector<NamedTensor> tensors_;
  std::unordered_map<std::string_view, size_t> tensor_idx_;  // views into tensors_' names
};

}  // namespace saccade
