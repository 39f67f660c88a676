// Block layouts: ggml-common.h. Within a block of 32, byte j of a 4-bit field holds weight j (low half) and weight
// j + 16 (high half).
#include <cstring>

#include "kernels/half.h"
#include "kernels/reference/reference.h"

namespace saccade::reference {
namespace {

uint8_t byte_at(const std::byte* source, int64_t offset) {
  return std::to_integer<uint8_t>(source[offset]);
}

uint16_t u16_at(const std::byte* source, int64_t offset) {
  uint16_t value;
  std::memcpy(&value, source + offset, sizeof value);
  return value;
}

float f16_at(const std::byte* source, int64_t offset) {
  return f16_to_f32(u16_at(source, offset));
}

/// Calls `decode(block, target)` for each block of the row.
template <DType dtype, typename Decode>
void for_each_block(const std::byte* source, float* target, int64_t count, const Decode& decode) {
  constexpr DTypeTraits kTraits = traits_of(dtype);
  for (int64_t i = 0; i < count; i += kTraits.block_size) {
    decode(source, target + i);
    source += kTraits.block_bytes;
  }
}

/// The sixth-bit scales and minima of q4_k and q5_k: eight pairs in 12 bytes. Pairs 0..3 are the low six bits of bytes
/// 0..3 and 4..7; pairs 4..7 have their low four bits in bytes 8..11 and their high two atop bytes 0..7.
struct ScaleMin {
  int scale;
  int min;
};
ScaleMin scale_min_at(const std::byte* scales, int pair_idx) {
  if (pair_idx < 4) return {byte_at(scales, pair_idx) & 63, byte_at(scales, pair_idx + 4) & 63};
  const int low = byte_at(scales, pair_idx + 4);
  return {(low & 15) | ((byte_at(scales, pair_idx - 4) >> 6) << 4),
          (low >> 4) | ((byte_at(scales, pair_idx) >> 6) << 4)};
}

void decode_q8_0(const std::byte* block, float* target) {
  const float scale = f16_at(block, 0);
  for (int j = 0; j < 32; ++j) target[j] = static_cast<float>(static_cast<int8_t>(byte_at(block, 2 + j))) * scale;
}

void decode_q4_0(const std::byte* block, float* target) {
  const float scale = f16_at(block, 0);
  for (int j = 0; j < 16; ++j) {
    const int pair = byte_at(block, 2 + j);
    target[j] = static_cast<float>((pair & 15) - 8) * scale;
    target[j + 16] = static_cast<float>((pair >> 4) - 8) * scale;
  }
}

void decode_q4_1(const std::byte* block, float* target) {
  const float scale = f16_at(block, 0);
  const float min = f16_at(block, 2);
  for (int j = 0; j < 16; ++j) {
    const int pair = byte_at(block, 4 + j);
    target[j] = static_cast<float>(pair & 15) * scale + min;
    target[j + 16] = static_cast<float>(pair >> 4) * scale + min;
  }
}

/// Weight j of a q5_0 or q5_1 block, whose fifth bits are the bits of `high`, little-endian at bytes high[0..3].
int q5_at(const std::byte* high, const std::byte* low, int j) {
  const int fifth = (byte_at(high, j / 8) >> (j % 8)) & 1;
  const int pair = byte_at(low, j % 16);
  return (j < 16 ? pair & 15 : pair >> 4) | (fifth << 4);
}

void decode_q5_0(const std::byte* block, float* target) {
  const float scale = f16_at(block, 0);
  for (int j = 0; j < 32; ++j) target[j] = static_cast<float>(q5_at(block + 2, block + 6, j) - 16) * scale;
}

void decode_q5_1(const std::byte* block, float* target) {
  const float scale = f16_at(block, 0);
  const float min = f16_at(block, 2);
  for (int j = 0; j < 32; ++j) target[j] = static_cast<float>(q5_at(block + 4, block + 8, j)) * scale + min;
}

/// Eight runs of 32; runs 2i and 2i + 1 are the low and high halves of 32 bytes. q5_k has a fifth bit: bit `run` of
/// fifths[j].
void decode_k_runs(const std::byte* block, const std::byte* fifths, const std::byte* low, float* target) {
  const float scale = f16_at(block, 0);
  const float min_scale = f16_at(block, 2);
  for (int run = 0; run < 8; ++run) {
    const ScaleMin pair = scale_min_at(block + 4, run);
    const float run_scale = scale * static_cast<float>(pair.scale);
    const float run_min = min_scale * static_cast<float>(pair.min);
    const int shift = run % 2 * 4;
    for (int j = 0; j < 32; ++j) {
      int q = (byte_at(low, run / 2 * 32 + j) >> shift) & 15;
      if (fifths != nullptr) q |= ((byte_at(fifths, j) >> run) & 1) << 4;
      target[run * 32 + j] = run_scale * static_cast<float>(q) - run_min;
    }
  }
}

void decode_q4_k(const std::byte* block, float* target) {
  decode_k_runs(block, nullptr, block + 16, target);
}

void decode_q5_k(const std::byte* block, float* target) {
  decode_k_runs(block, block + 16, block + 48, target);
}

/// Two halves of 128 weights: four runs of 32, whose low four bits share 64 bytes and whose high two share 32; one
/// signed scale for each 16 weights.
void decode_q6_k(const std::byte* block, float* target) {
  const float scale = f16_at(block, 208);
  for (int half = 0; half < 2; ++half) {
    const std::byte* low = block + half * 64;
    const std::byte* high = block + 128 + half * 32;
    const std::byte* scales = block + 192 + half * 8;
    for (int j = 0; j < 128; ++j) {
      const int run = j / 32;
      const int low_byte = byte_at(low, j % 64);
      const int q = (run < 2 ? low_byte & 15 : low_byte >> 4) | (((byte_at(high, j % 32) >> (2 * run)) & 3) << 4);
      const auto sub_scale = static_cast<int8_t>(byte_at(scales, j / 16));
      target[half * 128 + j] = scale * static_cast<float>(sub_scale) * static_cast<float>(q - 32);
    }
  }
}

}  // namespace

template <>
void dequantize<DType::kF32>(const std::byte* source, float* target, int64_t count) {
  std::memcpy(target, source, static_cast<size_t>(count) * sizeof(float));
}

template <>
void dequantize<DType::kF16>(const std::byte* source, float* target, int64_t count) {
  for (int64_t i = 0; i < count; ++i) target[i] = f16_at(source, 2 * i);
}

template <>
void dequantize<DType::kBF16>(const std::byte* source, float* target, int64_t count) {
  for (int64_t i = 0; i < count; ++i) target[i] = bf16_to_f32(u16_at(source, 2 * i));
}

template <>
void dequantize<DType::kQ8_0>(const std::byte* source, float* target, int64_t count) {
  for_each_block<DType::kQ8_0>(source, target, count, decode_q8_0);
}

template <>
void dequantize<DType::kQ4_0>(const std::byte* source, float* target, int64_t count) {
  for_each_block<DType::kQ4_0>(source, target, count, decode_q4_0);
}

template <>
void dequantize<DType::kQ4_1>(const std::byte* source, float* target, int64_t count) {
  for_each_block<DType::kQ4_1>(source, target, count, decode_q4_1);
}

template <>
void dequantize<DType::kQ5_0>(const std::byte* source, float* target, int64_t count) {
  for_each_block<DType::kQ5_0>(source, target, count, decode_q5_0);
}

template <>
void dequantize<DType::kQ5_1>(const std::byte* source, float* target, int64_t count) {
  for_each_block<DType::kQ5_1>(source, target, count, decode_q5_1);
}

template <>
void dequantize<DType::kQ4_K>(const std::byte* source, float* target, int64_t count) {
  for_each_block<DType::kQ4_K>(source, target, count, decode_q4_k);
}

template <>
void dequantize<DType::kQ5_K>(const std::byte* source, float* target, int64_t count) {
  for_each_block<DType::kQ5_K>(source, target, count, decode_q5_k);
}

template <>
void dequantize<DType::kQ6_K>(const std::byte* source, float* target, int64_t count) {
  for_each_block<DType::kQ6_K>(source, target, count, decode_q6_k);
}

}  // namespace saccade::reference
