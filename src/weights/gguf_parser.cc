#include "weights/gguf_parser.h"

#include <array>
#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/format.h"
#include "tensor/dtype.h"
#include "weights/byte_reader.h"
#include "weights/foreign_file.h"
#include "weights/gguf_format.h"

namespace saccade {
namespace {

// The least a key (length, type, one-byte value) and a tensor (length, rank, one dimension, type, offset) can take:
// what bounds the counts in the header by the size of the file.
constexpr uint64_t kMinKeyBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;
constexpr uint64_t kMaxAlignment = 1 << 20;
// Elements over all arrays of a file. The largest vocabularies have 2^18 entries in four arrays; one-byte elements
// widen to eight in memory, so the size of the file alone would be too weak a bound.
constexpr uint64_t kMaxArrayElements = 1 << 24;

std::string known_types() {
  std::string names;
  for (const DTypeTraits& traits : kDTypeTraits) {
    if (!names.empty()) names += ", ";
    names.append(traits.name);
  }
  return names;
}

unsigned long long ull(uint64_t value) {
  return value;
}

class Parser {
 public:
  explicit Parser(std::span<const std::byte> bytes) : bytes_(bytes), reader_(bytes) {}

  Expected<GgufContents> parse() {
    SACCADE_RETURN_IF_ERROR(parse_header());
    for (uint64_t i = 0; i < num_keys_; ++i) SACCADE_RETURN_IF_ERROR(parse_key(i));
    SACCADE_RETURN_IF_ERROR(read_alignment());
    contents_.tensors.reserve(num_tensors_);
    for (uint64_t i = 0; i < num_tensors_; ++i) SACCADE_RETURN_IF_ERROR(parse_tensor(i));
    SACCADE_RETURN_IF_ERROR(place_tensors());
    return std::move(contents_);
  }

 private:
  Status parse_header() {
    const auto magic = reader_.take(4);
    if (!magic || *magic != "GGUF") return unsupported("not a GGUF file (" + describe_foreign_file(bytes_) + ")");
    const auto version = reader_.read<uint32_t>();
    const auto num_tensors = reader_.read<uint64_t>();
    const auto num_keys = reader_.read<uint64_t>();
    if (version && *version != 0 && (*version & 0xffffu) == 0) {
      return unsupported("a big-endian GGUF file; only little-endian ones are read");
    }
    if (version && (*version < 2 || *version > 3)) {
      return unsupported(format("GGUF version %u at byte 4; versions 2 and 3 are read", *version));
    }
    if (!version || !num_tensors || !num_keys) return truncated("the header");
    if (*num_keys > reader_.num_left() / kMinKeyBytes) return too_many("keys", *num_keys, 16);
    if (*num_tensors > reader_.num_left() / kMinTensorBytes) return too_many("tensors", *num_tensors, 8);
    contents_.version = *version;
    num_keys_ = *num_keys;
    num_tensors_ = *num_tensors;
    return {};
  }

  Status parse_key(uint64_t key_idx) {
    const uint64_t start = reader_.position();
    SACCADE_ASSIGN_OR_RETURN(const std::string_view key, parse_string(format("key %llu's name", ull(key_idx))));
    if (key.empty()) return corrupt_data(format("key %llu at byte %llu has no name", ull(key_idx), ull(start)));
    place_ = "key " + quote(key);
    if (contents_.metadata.has(key))
      return corrupt_data(format("%s at byte %llu is there twice", place_.c_str(), ull(start)));
    const uint64_t type_position = reader_.position();
    const auto type = reader_.read<uint32_t>();
    if (!type) return truncated(place_);
    SACCADE_ASSIGN_OR_RETURN(MetadataValue value, parse_value(*type, type_position));
    contents_.metadata.set(std::string(key), std::move(value));
    return {};
  }

  Expected<MetadataValue> parse_value(uint32_t type, uint64_t type_position) {
    switch (static_cast<GgufValueType>(type)) {
      case GgufValueType::kString: {
        SACCADE_ASSIGN_OR_RETURN(const std::string_view text, parse_string(place_));
        return MetadataValue(std::string(text));
      }
      case GgufValueType::kArray:
        return parse_array();
      case GgufValueType::kBool: {
        SACCADE_ASSIGN_OR_RETURN(const bool value, parse_bool());
        return MetadataValue(value);
      }
      case GgufValueType::kFloat32:
      case GgufValueType::kFloat64: {
        SACCADE_ASSIGN_OR_RETURN(const double value, parse_float(type));
        return MetadataValue(value);
      }
      default: {
        if (!integer_bytes(type)) return unknown_value_type(type, type_position);
        SACCADE_ASSIGN_OR_RETURN(const int64_t value, parse_integer(type));
        return MetadataValue(value);
      }
    }
  }

  Expected<MetadataValue> parse_array() {
    const uint64_t start = reader_.position();
    const auto type = reader_.read<uint32_t>();
    const auto count = reader_.read<uint64_t>();
    if (!type || !count) return truncated(place_);
    if (static_cast<GgufValueType>(*type) == GgufValueType::kArray) {
      return unsupported(format("%s at byte %llu is an array of arrays", place_.c_str(), ull(start)));
    }
    const uint64_t min_bytes = min_element_bytes(*type);
    if (min_bytes == 0) return unknown_value_type(*type, start);
    if (*count > reader_.num_left() / min_bytes || *count > kMaxArrayElements - num_array_elements_) {
      return corrupt_data(
          format("%s: array of %llu elements at byte %llu does not fit the file; is the download complete?",
                 place_.c_str(), ull(*count), ull(start + 4)));
    }
    num_array_elements_ += *count;
    switch (static_cast<GgufValueType>(*type)) {
      case GgufValueType::kString:
        return collect<std::string>(*count, [&] { return parse_string(place_); });
      case GgufValueType::kBool:
        return collect<bool>(*count, [&] { return parse_bool(); });
      case GgufValueType::kFloat32:
      case GgufValueType::kFloat64:
        return collect<double>(*count, [&] { return parse_float(*type); });
      default:
        return collect<int64_t>(*count, [&] { return parse_integer(*type); });
    }
  }

  template <typename T, typename Parse>
  Expected<MetadataValue> collect(uint64_t count, const Parse& parse) {
    std::vector<T> values;
    values.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
      SACCADE_ASSIGN_OR_RETURN(const auto value, parse());
      values.emplace_back(value);
    }
    return MetadataValue(std::move(values));
  }

  Expected<std::string_view> parse_string(const std::string& place) {
    const uint64_t start = reader_.position();
    const auto length = reader_.read<uint64_t>();
    if (!length) return truncated(place);
    const auto text = reader_.take(*length);
    if (text) return *text;
    return corrupt_data(
        format("%s: string of %llu bytes at byte %llu runs past the end of the file (%llu bytes left); is "
               "the download complete?",
               place.c_str(), ull(*length), ull(start), ull(reader_.num_left())));
  }

  Expected<bool> parse_bool() {
    const uint64_t start = reader_.position();
    const auto value = reader_.read<uint8_t>();
    if (!value) return truncated(place_);
    if (*value <= 1) return *value == 1;
    return corrupt_data(format("%s: boolean at byte %llu is %u", place_.c_str(), ull(start), unsigned{*value}));
  }

  Expected<double> parse_float(uint32_t type) {
    if (static_cast<GgufValueType>(type) == GgufValueType::kFloat32) {
      if (const auto value = reader_.read<float>()) return static_cast<double>(*value);
    } else if (const auto value = reader_.read<double>()) {
      return *value;
    }
    return truncated(place_);
  }

  template <typename T>
  Expected<int64_t> parse_integer_as() {
    const uint64_t start = reader_.position();
    const auto value = reader_.read<T>();
    if (!value) return truncated(place_);
    if (std::in_range<int64_t>(*value)) return static_cast<int64_t>(*value);
    return corrupt_data(format("%s: integer at byte %llu is over 2^63", place_.c_str(), ull(start)));
  }

  Expected<int64_t> parse_integer(uint32_t type) {
    switch (static_cast<GgufValueType>(type)) {
      case GgufValueType::kUint8:
        return parse_integer_as<uint8_t>();
      case GgufValueType::kInt8:
        return parse_integer_as<int8_t>();
      case GgufValueType::kUint16:
        return parse_integer_as<uint16_t>();
      case GgufValueType::kInt16:
        return parse_integer_as<int16_t>();
      case GgufValueType::kUint32:
        return parse_integer_as<uint32_t>();
      case GgufValueType::kInt32:
        return parse_integer_as<int32_t>();
      case GgufValueType::kUint64:
        return parse_integer_as<uint64_t>();
      default:
        return parse_integer_as<int64_t>();
    }
  }

  // Zero where `type` is no integer type.
  static uint64_t integer_bytes(uint32_t type) {
    switch (static_cast<GgufValueType>(type)) {
      case GgufValueType::kUint8:
      case GgufValueType::kInt8:
        return 1;
      case GgufValueType::kUint16:
      case GgufValueType::kInt16:
        return 2;
      case GgufValueType::kUint32:
      case GgufValueType::kInt32:
        return 4;
      case GgufValueType::kUint64:
      case GgufValueType::kInt64:
        return 8;
      default:
        return 0;
    }
  }

  // Zero where `type` is unknown.
  static uint64_t min_element_bytes(uint32_t type) {
    switch (static_cast<GgufValueType>(type)) {
      case GgufValueType::kBool:
        return 1;
      case GgufValueType::kFloat32:
        return 4;
      case GgufValueType::kFloat64:
      case GgufValueType::kString:  // its length
        return 8;
      default:
        return integer_bytes(type);
    }
  }

  Status read_alignment() {
    SACCADE_ASSIGN_OR_RETURN(const int64_t alignment,
                             contents_.metadata.integer_or("general.alignment", kGgufDefaultAlignment, 8,
                                                           static_cast<int64_t>(kMaxAlignment)));
    if ((alignment & (alignment - 1)) != 0) {
      return corrupt_data(
          format("key \"general.alignment\" is %lld, not a power of two", static_cast<long long>(alignment)));
    }
    alignment_ = static_cast<uint64_t>(alignment);
    return {};
  }

  Status parse_tensor(uint64_t tensor_idx) {
    const uint64_t start = reader_.position();
    SACCADE_ASSIGN_OR_RETURN(const std::string_view name, parse_string(format("tensor %llu's name", ull(tensor_idx))));
    if (name.empty()) return corrupt_data(format("tensor %llu at byte %llu has no name", ull(tensor_idx), ull(start)));
    place_ = "tensor " + quote(name);
    if (!names_.insert(name).second) {
      return corrupt_data(format("%s at byte %llu is there twice", place_.c_str(), ull(start)));
    }
    NamedTensor tensor;
    tensor.name = std::string(name);
    SACCADE_ASSIGN_OR_RETURN(tensor.view.shape, parse_shape());
    SACCADE_ASSIGN_OR_RETURN(tensor.view.dtype, parse_dtype(tensor.view.shape));
    const uint64_t offset_position = reader_.position();
    const auto offset = reader_.read<uint64_t>();
    if (!offset) return truncated(place_);
    if (*offset % alignment_ != 0) {
      return corrupt_data(format("%s: offset %llu at byte %llu is not a multiple of the alignment %llu", place_.c_str(),
                                 ull(*offset), ull(offset_position), ull(alignment_)));
    }
    tensor.offset_bytes = *offset;  // from the start of the data until place_tensors()
    contents_.tensors.push_back(std::move(tensor));
    return {};
  }

  // Dimensions come innermost first. Their product is kept under 2^60, so that no size in bytes can overflow.
  Expected<Shape> parse_shape() {
    const uint64_t start = reader_.position();
    const auto rank = reader_.read<uint32_t>();
    if (!rank) return truncated(place_);
    if (*rank < 1 || *rank > Shape::kMaxRank) {
      return corrupt_data(
          format("%s has %u dimensions at byte %llu; 1 to 4 are allowed", place_.c_str(), *rank, ull(start)));
    }
    std::array<int64_t, Shape::kMaxRank> dims = {};
    int64_t num_elements = 1;
    for (uint32_t i = 0; i < *rank; ++i) {
      const uint64_t position = reader_.position();
      const auto dim = reader_.read<uint64_t>();
      if (!dim) return truncated(place_);
      if (*dim == 0 || !std::in_range<int64_t>(*dim) ||
          __builtin_mul_overflow(num_elements, static_cast<int64_t>(*dim), &num_elements) ||
          num_elements > (int64_t{1} << 60)) {
        return corrupt_data(
            format("%s: dimension %u at byte %llu is %llu", place_.c_str(), i, ull(position), ull(*dim)));
      }
      dims[*rank - 1 - i] = static_cast<int64_t>(*dim);
    }
    return Shape(std::span<const int64_t>(dims.data(), *rank));
  }

  Expected<DType> parse_dtype(const Shape& shape) {
    const uint64_t start = reader_.position();
    const auto type = reader_.read<uint32_t>();
    if (!type) return truncated(place_);
    const auto dtype = dtype_from_ggml(*type);
    if (!dtype) {
      return unsupported(format("%s has ggml type %u at byte %llu, which is not supported (known: %s)", place_.c_str(),
                                *type, ull(start), known_types().c_str()));
    }
    const int block_size = traits_of(*dtype).block_size;
    if (shape.row_size() % block_size != 0) {
      return corrupt_data(format("%s: rows of %lld are no multiple of %s's block of %d", place_.c_str(),
                                 static_cast<long long>(shape.row_size()), std::string(traits_of(*dtype).name).c_str(),
                                 block_size));
    }
    return *dtype;
  }

  // The data starts at the first aligned byte after the table.
  Status place_tensors() {
    const uint64_t data_start = (reader_.position() + alignment_ - 1) / alignment_ * alignment_;
    for (NamedTensor& tensor : contents_.tensors) {
      const auto size = static_cast<uint64_t>(tensor.view.num_bytes());
      const uint64_t relative = tensor.offset_bytes;
      if (data_start > bytes_.size() || relative > bytes_.size() - data_start ||
          size > bytes_.size() - data_start - relative) {
        return corrupt_data(
            format("tensor %s: %llu bytes at byte %llu do not fit the file of %llu bytes; is the "
                   "download complete?",
                   quote(tensor.name).c_str(), ull(size), ull(data_start + relative), ull(bytes_.size())));
      }
      tensor.offset_bytes = data_start + relative;
      tensor.view.data = bytes_.data() + tensor.offset_bytes;
    }
    return {};
  }

  Status truncated(const std::string& place) const {
    return corrupt_data(
        format("the file ends at byte %llu inside %s; is the download complete?", ull(bytes_.size()), place.c_str()));
  }

  Status too_many(const char* what, uint64_t count, uint64_t position) const {
    return corrupt_data(format("%llu %s at byte %llu cannot fit the file of %llu bytes; is the download complete?",
                               ull(count), what, ull(position), ull(bytes_.size())));
  }

  Status unknown_value_type(uint32_t type, uint64_t position) const {
    return corrupt_data(format("%s has unknown value type %u at byte %llu", place_.c_str(), type, ull(position)));
  }

  std::span<const std::byte> bytes_;
  ByteReader reader_;
  GgufContents contents_;
  uint64_t num_keys_ = 0;
  uint64_t num_tensors_ = 0;
  uint64_t num_array_elements_ = 0;
  uint64_t alignment_ = kGgufDefaultAlignment;
  std::string place_;  // the key or tensor in hand, for messages
  std::unordered_set<std::string_view> names_;
};

}  // namespace

Expected<GgufContents> parse_gguf(std::span<const std::byte> bytes) {
  return Parser(bytes).parse();
}

}  // namespace saccade
