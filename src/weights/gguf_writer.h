// Writes GGUF version 3, little-endian: keys and the tensor table first, then the tensors' bytes as they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/gguf_format.h"
#include "weights/metadata.h"

namespace saccade {

/// Keys in the order they are written. The width of an integer is part of the format: readers refuse an i32 where
/// they want a u32, so each setter names it. Setting a key again replaces its value.
class GgufKeys {
 public:
  void set_u32(const std::string& key, uint32_t value);
  void set_i32(const std::string& key, int32_t value);
  void set_f32(const std::string& key, float value);
  void set_bool(const std::string& key, bool value);
  void set_string(const std::string& key, std::string value);
  void set_i32s(const std::string& key, std::span<const int32_t> values);
  void set_f32s(const std::string& key, std::span<const float> values);
  void set_strings(const std::string& key, std::vector<std::string> values);
  /// Any value of any type; the caller sees to it that they fit each other. For an array `type` is its elements'.
  void set(const std::string& key, GgufValueType type, MetadataValue value);

  bool has(std::string_view key) const;
  void append(const GgufKeys& other);

  struct Entry {
    std::string key;
    GgufValueType type;
    MetadataValue value;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

struct GgufTensorPlan {
  std::string name;
  Shape shape;  // outermost first
  DType dtype = DType::kF32;
};

class GgufWriter {
 public:
  /// Creates `path`.partial, writes everything before the tensor data, and leaves `path` alone until finish().
  /// Errors: kInvalidArgument (two tensors of one name), kIoError (no such folder, no permission, disk full).
  static Expected<GgufWriter> create(const std::string& path, const GgufKeys& keys,
                                     std::span<const GgufTensorPlan> tensors);

  GgufWriter(GgufWriter&&) noexcept = default;
  GgufWriter& operator=(GgufWriter&&) = delete;
  /// Without finish() the partial file is removed.
  ~GgufWriter();

  /// The next bytes of the tensors, in the order of the plan; padding between tensors is added here.
  Status append(std::span<const std::byte> bytes);
  /// Moves the file to its name, replacing what was there. All planned bytes must have come.
  Status finish();

  uint64_t file_bytes() const { return num_written_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  GgufWriter() = default;
  Status write(const void* data, size_t num_bytes);
  Status pad();

  std::string path_;
  std::string partial_path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<uint64_t> tensor_bytes_;
  size_t tensor_idx_ = 0;            // the one being written
  uint64_t num_tensor_written_ = 0;  // of its bytes
  uint64_t num_written_ = 0;         // of the file
};

}  // namespace saccade
