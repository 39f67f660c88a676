// A Hugging Face checkpoint's tensors: model.safetensors, or the shards that model.safetensors.index.json lists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/mapped_file.h"
#include "saccade/status.h"
#include "tensor/dtype.h"

namespace saccade {

struct SafeTensor {
  std::string name;
  std::string dtype_name;           // as the file says it, "BF16"
  std::optional<DType> dtype;       // f32, f16 or bf16; nothing for a type that no weight has (position ids as I64)
  std::vector<int64_t> dims;        // outermost first; any rank
  const std::byte* data = nullptr;  // not aligned
  int64_t num_elements = 0;
  size_t file_idx = 0;

  std::string to_string() const;  // "BF16 [4096, 1024]"
};

class SafetensorsCheckpoint {
 public:
  /// Every header is checked against its file: its length, JSON, names, types, shapes, and that the ranges lie inside
  /// the file and do not overlap. Errors: kNotFound (says what a folder with pickled weights needs), kCorruptData
  /// (path, tensor), kUnsupported.
  static Expected<SafetensorsCheckpoint> open(const std::string& dir);

  const std::map<std::string, SafeTensor, std::less<>>& tensors() const { return tensors_; }
  uint64_t file_bytes() const;

 private:
  Status add_file(const std::string& path);

  std::vector<MappedFile> files_;
  std::map<std::string, SafeTensor, std::less<>> tensors_;
};

/// The tensors of one file's bytes. Errors name the tensor; the caller adds the path.
Expected<std::vector<SafeTensor>> parse_safetensors(std::span<const std::byte> bytes);

}  // namespace saccade
