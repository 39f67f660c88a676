#include "cache/feature_codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <limits>
#include <optional>
#include <set>

#include "base/format.h"

namespace saccade {
namespace {

// Little-endian, nothing aligned:
//   u32 "SCA" and the format's version; u32 number of arrays
//   of each: u8 length of the name, the name, u8 type, u8 rank, i64 each dimension
//   the arrays' bytes in the same order, to the end
static_assert(std::endian::native == std::endian::little, "elements are copied as they lie in memory");

constexpr uint32_t kSignature = 0x00414353;
constexpr uint32_t kSignatureMask = 0x00FFFFFF;
constexpr uint32_t kVersion = 1;

// 0: no such type.
int64_t element_bytes(ArrayType type) {
  switch (type) {
    case ArrayType::kU8:
      return 1;
    case ArrayType::kF16:
      return 2;
    case ArrayType::kI32:
    case ArrayType::kF32:
      return 4;
    case ArrayType::kI64:
      return 8;
  }
  return 0;
}

template <typename T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

// Values off the front of a buffer; nothing where it ends before.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}

  template <typename T>
  std::optional<T> read() {
    const auto bytes = take(sizeof(T));
    if (!bytes) return std::nullopt;
    T value;
    std::memcpy(&value, bytes->data(), sizeof(T));
    return value;
  }
  std::optional<std::span<const std::byte>> take(uint64_t num_bytes) {
    if (left_.size() < num_bytes) return std::nullopt;
    const auto taken = left_.first(num_bytes);
    left_ = left_.subspan(num_bytes);
    return taken;
  }
  bool is_at_end() const { return left_.empty(); }

 private:
  std::span<const std::byte> left_;
};

// Bytes of an array; nothing where the type is none, a dimension is negative, or they are more than can be.
std::optional<uint64_t> bytes_of(ArrayType type, std::span<const int64_t> dims) {
  int64_t num_bytes = element_bytes(type);
  if (num_bytes == 0) return std::nullopt;
  for (const int64_t dim : dims) {
    if (dim < 0 || (dim > 0 && num_bytes > std::numeric_limits<int64_t>::max() / dim)) return std::nullopt;
    num_bytes *= dim;
  }
  return static_cast<uint64_t>(num_bytes);
}

struct Outline {
  NamedArray array;
  uint64_t num_bytes = 0;
};

std::optional<Outline> read_outline(Reader& reader) {
  const auto name_length = reader.read<uint8_t>();
  const auto name = name_length ? reader.take(*name_length) : std::nullopt;
  const auto type = name ? reader.read<uint8_t>() : std::nullopt;
  const auto rank = type ? reader.read<uint8_t>() : std::nullopt;
  if (!rank || *rank > Shape::kMaxRank) return std::nullopt;
  std::array<int64_t, Shape::kMaxRank> dims = {};
  for (size_t i = 0; i < *rank; ++i) {
    const auto dim = reader.read<int64_t>();
    if (!dim) return std::nullopt;
    dims[i] = *dim;
  }
  const std::span<const int64_t> extent(dims.data(), *rank);
  const auto num_bytes = bytes_of(static_cast<ArrayType>(*type), extent);
  if (!num_bytes) return std::nullopt;
  const std::string_view text(reinterpret_cast<const char*>(name->data()), name->size());
  return Outline{{text, static_cast<ArrayType>(*type), Shape(extent), {}}, *num_bytes};
}

}  // namespace

NamedArray named_array(std::string_view name, const TensorView& tensor) {
  assert(tensor.dtype == DType::kF32 || tensor.dtype == DType::kF16);
  const size_t num_bytes = tensor.data == nullptr ? 0 : static_cast<size_t>(tensor.num_bytes());
  return {name,
          tensor.dtype == DType::kF16 ? ArrayType::kF16 : ArrayType::kF32,
          tensor.data == nullptr ? Shape{0} : tensor.shape,
          {tensor.data, num_bytes}};
}

NamedArray named_array(std::string_view name, std::string_view text) {
  return {name, ArrayType::kU8, Shape{static_cast<int64_t>(text.size())}, std::as_bytes(std::span(text))};
}

std::vector<std::byte> encode_arrays(std::span<const NamedArray> arrays) {
  assert(arrays.size() <= kMaxArrays);
  std::string outline;
  size_t num_content_bytes = 0;
  append(outline, kSignature | kVersion << 24);
  append(outline, static_cast<uint32_t>(arrays.size()));
  for (const NamedArray& array : arrays) {
    assert(array.name.size() <= kMaxArrayNameBytes);
    assert(static_cast<int64_t>(array.bytes.size()) == array.shape.num_elements() * element_bytes(array.type));
    append(outline, static_cast<uint8_t>(array.name.size()));
    outline += array.name;
    append(outline, static_cast<uint8_t>(array.type));
    append(outline, static_cast<uint8_t>(array.shape.rank()));
    for (int i = 0; i < array.shape.rank(); ++i) append(outline, array.shape[i]);
    num_content_bytes += array.bytes.size();
  }
  std::vector<std::byte> bytes;
  bytes.reserve(outline.size() + num_content_bytes);  // and not resized: nothing is written twice
  const auto start = std::as_bytes(std::span(outline));
  bytes.insert(bytes.end(), start.begin(), start.end());
  for (const NamedArray& array : arrays) bytes.insert(bytes.end(), array.bytes.begin(), array.bytes.end());
  return bytes;
}

Expected<DecodedArrays> decode_arrays(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  const auto signature = reader.read<uint32_t>();
  if (!signature || (*signature & kSignatureMask) != kSignature) {
    return corrupt_data("stored arrays do not begin as such");
  }
  if (*signature >> 24 != kVersion) {
    return unsupported(
        format("stored arrays of version %u; this program knows version %u", *signature >> 24, kVersion));
  }
  const auto num_arrays = reader.read<uint32_t>();
  if (!num_arrays || *num_arrays > kMaxArrays) return corrupt_data("stored arrays without a number that can be theirs");
  DecodedArrays decoded;
  std::vector<uint64_t> sizes;
  std::set<std::string_view> names;
  for (uint32_t i = 0; i < *num_arrays; ++i) {
    const auto outline = read_outline(reader);
    if (!outline) return corrupt_data(format("stored array %u has no name, type and shape that can be its", i));
    if (!names.insert(outline->array.name).second) {
      return corrupt_data("two stored arrays are named " + quote(outline->array.name));
    }
    decoded.arrays_.push_back(outline->array);
    sizes.push_back(outline->num_bytes);
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto content = reader.take(sizes[i]);
    if (!content) return corrupt_data("stored array " + quote(decoded.arrays_[i].name) + " is cut off");
    decoded.arrays_[i].bytes = *content;
  }
  if (!reader.is_at_end()) return corrupt_data("something follows the last stored array");
  return decoded;
}

const NamedArray* DecodedArrays::find(std::string_view name) const {
  const auto found = std::ranges::find(arrays_, name, &NamedArray::name);
  return found == arrays_.end() ? nullptr : &*found;
}

Expected<Tensor> DecodedArrays::tensor(std::string_view name) const {
  const NamedArray* array = find(name);
  if (array == nullptr) return corrupt_data("no stored array is named " + quote(name));
  if (array->type != ArrayType::kF32 && array->type != ArrayType::kF16) {
    return corrupt_data("stored array " + quote(name) + " is no tensor of floats");
  }
  if (array->bytes.empty()) return Tensor();
  Tensor tensor(array->shape, array->type == ArrayType::kF16 ? DType::kF16 : DType::kF32);
  copy(*array, tensor.data());
  return tensor;
}

Expected<std::string> DecodedArrays::text(std::string_view name) const {
  SACCADE_ASSIGN_OR_RETURN(const NamedArray* array, line(name, ArrayType::kU8));
  return std::string(reinterpret_cast<const char*>(array->bytes.data()), array->bytes.size());
}

Expected<const NamedArray*> DecodedArrays::line(std::string_view name, ArrayType type) const {
  const NamedArray* array = find(name);
  if (array == nullptr) return corrupt_data("no stored array is named " + quote(name));
  if (array->type != type || array->shape.rank() != 1) {
    return corrupt_data("stored array " + quote(name) + " is of another type or shape than expected");
  }
  return array;
}

void DecodedArrays::copy(const NamedArray& array, void* to) {
  if (!array.bytes.empty()) std::memcpy(to, array.bytes.data(), array.bytes.size());
}

}  // namespace saccade
