// Weights of a type in runs of 32, decoded into registers: for dequantising rows and for dotting with them directly.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace saccade::simd {

/// What one decode() yields.
inline constexpr int kRun = 32;

template <typename V>
inline constexpr int kRunRegs = kRun / V::kLanes;

// Each has kBytes of a run, and decode(source, target) into kRunRegs<V> registers. A run of zero bytes is zeros.

template <typename V>
struct F32Run {
  static constexpr int kBytes = 4 * kRun;
  static void decode(const std::byte* source, typename V::Reg* target) {
    for (int i = 0; i < kRunRegs<V>; ++i) target[i] = V::load(reinterpret_cast<const float*>(source) + i * V::kLanes);
  }
};

template <typename V>
struct F16Run {
  static constexpr int kBytes = 2 * kRun;
  static void decode(const std::byte* source, typename V::Reg* target) {
    for (int i = 0; i < kRunRegs<V>; ++i) target[i] = V::load_f16(source + 2 * i * V::kLanes);
  }
};

template <typename V>
struct BF16Run {
  static constexpr int kBytes = 2 * kRun;
  static void decode(const std::byte* source, typename V::Reg* target) {
    for (int i = 0; i < kRunRegs<V>; ++i) target[i] = V::load_bf16(source + 2 * i * V::kLanes);
  }
};

template <typename V>  // not for its type, but for a name of its own in each leaf
inline __m128i load_16_bytes(const std::byte* source) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
}

template <typename V>
inline float load_f16_scale(const std::byte* source) {
  uint16_t half;
  __builtin_memcpy(&half, source, sizeof half);
  return _cvtsh_ss(half);
}

template <typename V>
inline void multiply_run(typename V::Reg* run, float scale) {
  const typename V::Reg factor = V::set(scale);
  for (int i = 0; i < kRunRegs<V>; ++i) run[i] = V::mul(run[i], factor);
}

template <typename V>
struct Q8_0Run {
  static constexpr int kBytes = 34;
  static void decode(const std::byte* source, typename V::Reg* target) {
    V::from_16_i8(load_16_bytes<V>(source + 2), target);
    V::from_16_i8(load_16_bytes<V>(source + 18), target + kRunRegs<V> / 2);
    multiply_run<V>(target, load_f16_scale<V>(source));
  }
};

/// 16 bytes to 32 values of 4 bits, each plus `offset`: the low halves, then the high halves.
template <typename V>
inline void decode_nibbles(const std::byte* source, char offset, typename V::Reg* target) {
  const __m128i pairs = load_16_bytes<V>(source);
  const __m128i low_mask = _mm_set1_epi8(15);
  const __m128i offsets = _mm_set1_epi8(offset);
  const __m128i low = _mm_and_si128(pairs, low_mask);
  const __m128i high = _mm_and_si128(_mm_srli_epi16(pairs, 4), low_mask);
  V::from_16_i8(_mm_add_epi8(low, offsets), target);
  V::from_16_i8(_mm_add_epi8(high, offsets), target + kRunRegs<V> / 2);
}

template <typename V>
struct Q4_0Run {
  static constexpr int kBytes = 18;
  static void decode(const std::byte* source, typename V::Reg* target) {
    decode_nibbles<V>(source + 2, -8, target);
    multiply_run<V>(target, load_f16_scale<V>(source));
  }
};

template <typename V>
struct Q4_1Run {
  static constexpr int kBytes = 20;
  static void decode(const std::byte* source, typename V::Reg* target) {
    decode_nibbles<V>(source + 4, 0, target);
    multiply_run<V>(target, load_f16_scale<V>(source));
    const typename V::Reg min = V::set(load_f16_scale<V>(source + 2));
    for (int i = 0; i < kRunRegs<V>; ++i) target[i] = V::add(target[i], min);
  }
};

}  // namespace saccade::simd
