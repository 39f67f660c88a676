// Writing weights: portable only, since it runs once per checkpoint.
#include <cassert>
#include <cmath>
#include <cstring>

#include "kernels/dequantize.h"
#include "kernels/half.h"

namespace saccade {
namespace {

void put_u16(std::byte* target, int64_t offset, uint16_t value) {
  std::memcpy(target + offset, &value, sizeof value);
}

/// Truncates to [low, high]; a NaN becomes `low`, so that no weight makes the conversion undefined.
int clamp_to_int(float value, int low, int high) {
  if (!(value >= static_cast<float>(low))) return low;
  if (value >= static_cast<float>(high)) return high;
  return static_cast<int>(value);
}

/// The element of largest magnitude, with its sign.
float largest_of(const float* source, int count) {
  float largest = 0;
  for (int i = 0; i < count; ++i) {
    if (std::fabs(source[i]) > std::fabs(largest)) largest = source[i];
  }
  return largest;
}

void encode_q8_0(const float* source, std::byte* block) {
  const float scale = std::fabs(largest_of(source, 32)) / 127.0f;
  const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  put_u16(block, 0, f32_to_f16(scale));
  for (int j = 0; j < 32; ++j) {
    block[2 + j] =
        static_cast<std::byte>(static_cast<int8_t>(clamp_to_int(std::round(source[j] * inverse), -127, 127)));
  }
}

void encode_q4_0(const float* source, std::byte* block) {
  const float scale = largest_of(source, 32) / -8.0f;
  const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  put_u16(block, 0, f32_to_f16(scale));
  const auto encode = [&](int j) { return clamp_to_int(source[j] * inverse + 8.5f, 0, 15); };
  for (int j = 0; j < 16; ++j) block[2 + j] = static_cast<std::byte>(encode(j) | (encode(j + 16) << 4));
}

}  // namespace

bool can_quantize_to(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kQ8_0 ||
         dtype == DType::kQ4_0;
}

void quantize_row(DType dtype, const float* source, void* target, int64_t count) {
  assert(can_quantize_to(dtype) && count % traits_of(dtype).block_size == 0);
  auto* bytes = static_cast<std::byte*>(target);
  const DTypeTraits& traits = traits_of(dtype);
  for (int64_t i = 0; i < count; i += traits.block_size, bytes += traits.block_bytes) {
    switch (dtype) {
      case DType::kF16:
        put_u16(bytes, 0, f32_to_f16(source[i]));
        break;
      case DType::kBF16:
        put_u16(bytes, 0, f32_to_bf16(source[i]));
        break;
      case DType::kQ8_0:
        encode_q8_0(source + i, bytes);
        break;
      case DType::kQ4_0:
        encode_q4_0(source + i, bytes);
        break;
      default:
        std::memcpy(bytes, source + i, sizeof(float));
    }
  }
}

}  // namespace saccade
