#include "weights/gguf_writer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "base/format.h"
#include "platform/mapped_file.h"

namespace saccade {
namespace {

constexpr uint32_t kVersion = 3;

uint64_t padding_after(uint64_t position) {
  return (kGgufDefaultAlignment - position % kGgufDefaultAlignment) % kGgufDefaultAlignment;
}

// The part before the tensor data is small enough to be built in memory.
class Header {
 public:
  template <typename T>
  void put(T value) {
    const auto* bytes = reinterpret_cast<const char*>(&value);
    text_.append(bytes, sizeof(T));
  }
  void put_string(std::string_view text) {
    put<uint64_t>(text.size());
    text_.append(text);
  }
  const std::string& text() const { return text_; }
  void pad() { text_.append(padding_after(text_.size()), '\0'); }

  void put_integer(GgufValueType type, int64_t value) {
    switch (type) {
      case GgufValueType::kUint8:
      case GgufValueType::kInt8:
        return put(static_cast<uint8_t>(value));
      case GgufValueType::kUint16:
      case GgufValueType::kInt16:
        return put(static_cast<uint16_t>(value));
      case GgufValueType::kUint32:
      case GgufValueType::kInt32:
        return put(static_cast<uint32_t>(value));
      default:
        return put(static_cast<uint64_t>(value));
    }
  }
  void put_number(GgufValueType type, double value) {
    if (type == GgufValueType::kFloat64) return put(value);
    put(static_cast<float>(value));
  }

  void put_entry(const GgufKeys::Entry& entry) {
    put_string(entry.key);
    std::visit([&](const auto& value) { put_value(entry.type, value); }, entry.value);
  }

 private:
  template <typename T>
  void put_element(GgufValueType type, const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      put(static_cast<uint8_t>(value));
    } else if constexpr (std::is_same_v<T, int64_t>) {
      put_integer(type, value);
    } else if constexpr (std::is_same_v<T, double>) {
      put_number(type, value);
    } else {
      put_string(value);
    }
  }
  template <typename T>
  void put_value(GgufValueType type, const T& value) {
    put(static_cast<uint32_t>(type));
    put_element(type, value);
  }
  template <typename T>
  void put_value(GgufValueType type, const std::vector<T>& values) {
    put(static_cast<uint32_t>(GgufValueType::kArray));
    put(static_cast<uint32_t>(type));
    put<uint64_t>(values.size());
    for (const T& value : values) put_element<T>(type, value);
  }

  std::string text_;
};

std::string make_header(const GgufKeys& keys, std::span<const GgufTensorPlan> tensors) {
  Header header;
  header.put(std::array<char, 4>{'G', 'G', 'U', 'F'});
  header.put(kVersion);
  header.put<uint64_t>(tensors.size());
  header.put<uint64_t>(keys.entries().size());
  for (const GgufKeys::Entry& entry : keys.entries()) header.put_entry(entry);
  uint64_t offset = 0;
  for (const GgufTensorPlan& tensor : tensors) {
    header.put_string(tensor.name);
    header.put(static_cast<uint32_t>(tensor.shape.rank()));
    for (int i = tensor.shape.rank() - 1; i >= 0; --i) header.put(static_cast<uint64_t>(tensor.shape[i]));
    header.put(traits_of(tensor.dtype).ggml_type);
    header.put(offset);
    const auto num_bytes = static_cast<uint64_t>(TensorView{tensor.dtype, tensor.shape, nullptr}.num_bytes());
    offset += num_bytes + padding_after(num_bytes);
  }
  header.pad();
  return header.text();
}

// The path to write, symbolic links followed. What may be replaced is an earlier GGUF file: not a checkpoint's own file
// that was named by mistake, nor a device.
Expected<std::string> resolve_target(const std::string& path) {
  std::error_code error;
  // Made absolute first: of a name alone that does not exist yet, weakly_canonical() finds no folder.
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  const std::filesystem::path target = error ? absolute : std::filesystem::weakly_canonical(absolute, error);
  if (error) return io_error(path + ": cannot write: " + error.message());
  const bool has_folder = std::filesystem::is_directory(target.parent_path(), error);
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory) {
    return io_error(path + ": cannot write: " + error.message());
  }
  if (!has_folder) {
    return not_found(path + ": the folder " + target.parent_path().string() + " does not exist");
  }
  const std::filesystem::file_status status = std::filesystem::status(target, error);
  if (!std::filesystem::exists(status)) return target.string();
  if (!std::filesystem::is_regular_file(status)) {
    return io_error(path + ": is not a regular file; give the name of a file to write");
  }
  SACCADE_ASSIGN_OR_RETURN(const MappedFile existing, MappedFile::open(target.string()));
  const std::span<const std::byte> bytes = existing.bytes();
  if (!bytes.empty() && (bytes.size() < 4 || std::memcmp(bytes.data(), "GGUF", 4) != 0)) {
    return invalid_argument(path + ": exists and is not a GGUF file; choose another name");
  }
  return target.string();
}

}  // namespace

void GgufKeys::set(const std::string& key, GgufValueType type, MetadataValue value) {
  for (Entry& entry : entries_) {
    if (entry.key != key) continue;
    entry = {key, type, std::move(value)};
    return;
  }
  entries_.push_back({key, type, std::move(value)});
}

void GgufKeys::set_u32(const std::string& key, uint32_t value) {
  set(key, GgufValueType::kUint32, int64_t{value});
}
void GgufKeys::set_i32(const std::string& key, int32_t value) {
  set(key, GgufValueType::kInt32, int64_t{value});
}
void GgufKeys::set_f32(const std::string& key, float value) {
  set(key, GgufValueType::kFloat32, double{value});
}
void GgufKeys::set_bool(const std::string& key, bool value) {
  set(key, GgufValueType::kBool, value);
}
void GgufKeys::set_string(const std::string& key, std::string value) {
  set(key, GgufValueType::kString, std::move(value));
}
void GgufKeys::set_i32s(const std::string& key, std::span<const int32_t> values) {
  set(key, GgufValueType::kInt32, std::vector<int64_t>(values.begin(), values.end()));
}
void GgufKeys::set_f32s(const std::string& key, std::span<const float> values) {
  set(key, GgufValueType::kFloat32, std::vector<double>(values.begin(), values.end()));
}
void GgufKeys::set_strings(const std::string& key, std::vector<std::string> values) {
  set(key, GgufValueType::kString, std::move(values));
}

bool GgufKeys::has(std::string_view key) const {
  return std::ranges::any_of(entries_, [&](const Entry& entry) { return entry.key == key; });
}

void GgufKeys::append(const GgufKeys& other) {
  for (const Entry& entry : other.entries_) set(entry.key, entry.type, entry.value);
}

Expected<GgufWriter> GgufWriter::create(const std::string& path, const GgufKeys& keys,
                                        std::span<const GgufTensorPlan> tensors) {
  std::unordered_set<std::string_view> names;
  GgufWriter writer;
  for (const GgufTensorPlan& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      return invalid_argument(path + ": two tensors are to be named " + quote(tensor.name));
    }
    assert(tensor.shape.row_size() % traits_of(tensor.dtype).block_size == 0);
    writer.tensor_bytes_.push_back(static_cast<uint64_t>(TensorView{tensor.dtype, tensor.shape, nullptr}.num_bytes()));
  }
  SACCADE_ASSIGN_OR_RETURN(writer.path_, resolve_target(path));
  writer.partial_path_ = writer.path_ + ".partial";
  writer.file_.reset(std::fopen(writer.partial_path_.c_str(), "wb"));
  if (writer.file_ == nullptr) {
    return io_error(writer.partial_path_ + ": cannot create: " + std::strerror(errno));
  }
  const std::string header = make_header(keys, tensors);
  SACCADE_RETURN_IF_ERROR(writer.write(header.data(), header.size()));
  return writer;
}

GgufWriter::~GgufWriter() {
  if (file_ == nullptr) return;
  file_.reset();
  std::error_code ignored;
  std::filesystem::remove(partial_path_, ignored);
}

Status GgufWriter::write(const void* data, size_t num_bytes) {
  errno = 0;
  if (std::fwrite(data, 1, num_bytes, file_.get()) != num_bytes) {
    return io_error(format("%s: cannot write after %s: %s", partial_path_.c_str(), format_bytes(num_written_).c_str(),
                           std::strerror(errno)));
  }
  num_written_ += num_bytes;
  return {};
}

Status GgufWriter::pad() {
  constexpr std::array<char, kGgufDefaultAlignment> kZeros = {};
  return write(kZeros.data(), padding_after(num_written_));
}

Status GgufWriter::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    assert(tensor_idx_ < tensor_bytes_.size());
    const uint64_t wanted = tensor_bytes_[tensor_idx_] - num_tensor_written_;
    const size_t count = std::min<uint64_t>(wanted, bytes.size());
    SACCADE_RETURN_IF_ERROR(write(bytes.data(), count));
    bytes = bytes.subspan(count);
    num_tensor_written_ += count;
    if (count != wanted) return {};
    SACCADE_RETURN_IF_ERROR(pad());
    ++tensor_idx_;
    num_tensor_written_ = 0;
  }
  return {};
}

Status GgufWriter::finish() {
  assert(tensor_idx_ == tensor_bytes_.size());
  errno = 0;
  std::FILE* file = file_.release();
  const bool is_flushed = std::fflush(file) == 0;
  const int flush_error = errno;
  const bool is_closed = std::fclose(file) == 0;
  std::error_code error;
  if (is_flushed && is_closed) {
    std::filesystem::rename(partial_path_, path_, error);
    if (!error) return {};
  } else {
    error = std::error_code(flush_error != 0 ? flush_error : errno, std::generic_category());
  }
  std::error_code ignored;
  std::filesystem::remove(partial_path_, ignored);
  return io_error(path_ + ": cannot write: " + error.message());
}

}  // namespace saccade
