// Named arrays to bytes and back, bit for bit: how encoded pictures (vectors, places, ...) and the like lie in a cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"
#include "tensor/tensor.h"

namespace saccade {

enum class ArrayType : uint8_t { kU8 = 1, kI32 = 2, kI64 = 3, kF32 = 4, kF16 = 5 };  // as the bytes have them

template <typename T>
inline constexpr ArrayType kArrayTypeOf = ArrayType();
template <>
inline constexpr ArrayType kArrayTypeOf<uint8_t> = ArrayType::kU8;
template <>
inline constexpr ArrayType kArrayTypeOf<int32_t> = ArrayType::kI32;
template <>
inline constexpr ArrayType kArrayTypeOf<int64_t> = ArrayType::kI64;
template <>
inline constexpr ArrayType kArrayTypeOf<float> = ArrayType::kF32;

/// Does not own; the bytes may lie at any alignment.
struct NamedArray {
  std::string_view name;
  ArrayType type = ArrayType::kU8;
  Shape shape;
  std::span<const std::byte> bytes;  // row-major, little-endian
};

/// What the writer is given; nothing is copied before encode_arrays().
template <typename T>
NamedArray named_array(std::string_view name, std::span<const T> values) {
  static_assert(kArrayTypeOf<T> != ArrayType());
  return {name, kArrayTypeOf<T>, Shape{static_cast<int64_t>(values.size())}, std::as_bytes(values)};
}
NamedArray named_array(std::string_view name, const TensorView& tensor);  // f32 or f16
NamedArray named_array(std::string_view name, std::string_view text);

inline constexpr size_t kMaxArrays = 4096;
inline constexpr size_t kMaxArrayNameBytes = 255;

/// Names are all different, and neither they nor the arrays over the limits.
std::vector<std::byte> encode_arrays(std::span<const NamedArray> arrays);

/// Looks into the bytes that it was made from, which must outlive it.
class DecodedArrays {
 public:
  std::span<const NamedArray> arrays() const { return arrays_; }
  /// Null: no such array.
  const NamedArray* find(std::string_view name) const;

  // Copies; of no elements an empty tensor. Errors: kCorruptData (no such array, another type or, of values() and
  // text(), more than one dimension).
  Expected<Tensor> tensor(std::string_view name) const;  // f32 or f16
  Expected<std::string> text(std::string_view name) const;
  template <typename T>
  Expected<std::vector<T>> values(std::string_view name) const {
    SACCADE_ASSIGN_OR_RETURN(const NamedArray* array, line(name, kArrayTypeOf<T>));
    std::vector<T> values(static_cast<size_t>(array->shape.num_elements()));
    copy(*array, values.data());
    return values;
  }

 private:
  friend Expected<DecodedArrays> decode_arrays(std::span<const std::byte> bytes);
  Expected<const NamedArray*> line(std::string_view name, ArrayType type) const;
  static void copy(const NamedArray& array, void* to);

  std::vector<NamedArray> arrays_;
};

/// Takes any bytes, and nothing but what encode_arrays() makes. Errors: kCorruptData, kUnsupported (of a newer
/// version).
Expected<DecodedArrays> decode_arrays(std::span<const std::byte> bytes);

}  // namespace saccade
