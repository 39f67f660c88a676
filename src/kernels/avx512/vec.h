// Sixteen floats: the register type that the templates of kernels/simd run on, with AVX-512 F, BW, DQ and VL.
//
// A template, so that what another leaf builds on it has that leaf's name.
#pragma once

#include "kernels/simd/x86.h"

namespace saccade::avx512 {

template <typename Self>
struct FloatVec : simd::X86<Self> {
  using Reg = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kTileRows = 12;  // 12 x 2 sums, 2 of the panel and 1 of x: 27 of 32 registers
  static constexpr int kTileRegs = 2;

  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg set(float value) { return _mm512_set1_ps(value); }
  static Reg load(const float* source) { return _mm512_loadu_ps(source); }
  static void store(float* target, Reg a) { _mm512_storeu_ps(target, a); }
  /// The first `count` < kLanes elements; the others are 0.
  static Reg load_first(const float* source, int count) { return _mm512_maskz_loadu_ps(first_lanes(count), source); }
  static void store_first(float* target, Reg a, int count) { _mm512_mask_storeu_ps(target, first_lanes(count), a); }

  static Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  /// b where either is NaN.
  static Reg max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  static Reg min(Reg a, Reg b) { return _mm512_min_ps(a, b); }
  static Reg mul_add(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }       // a * b + c
  static Reg neg_mul_add(Reg a, Reg b, Reg c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a * b
  static Reg round(Reg a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

  /// a * 2^n for whole n.
  static Reg times_power_of_two(Reg a, Reg n) { return _mm512_scalef_ps(a, n); }

  /// kLanes / 2 floats, each in two lanes side by side.
  static Reg twice_each(const float* source) {
    const __m512i order = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(order, _mm512_castps256_ps512(_mm256_loadu_ps(source)));
  }
  static Reg swap_pairs(Reg a) { return _mm512_permute_ps(a, 0xb1); }
  /// a * b - c in even lanes, a * b + c in odd ones.
  static Reg mul_add_sub(Reg a, Reg b, Reg c) { return _mm512_fmaddsub_ps(a, b, c); }

  static float reduce_add(Reg a) { return _mm512_reduce_add_ps(a); }
  /// target[i] = the sum of a[i]'s lanes, i < 4.
  static void reduce_add_4(const Reg* a, float* target) {
    __m256 halves[4];
    for (int i = 0; i < 4; ++i)
      halves[i] = _mm256_add_ps(_mm512_castps512_ps256(a[i]), _mm512_extractf32x8_ps(a[i], 1));
    simd::X86<Self>::reduce_add_4(halves, target);
  }
  static float reduce_max(Reg a) { return _mm512_reduce_max_ps(a); }

  // Weights as they lie in memory, kLanes at a time.
  static Reg load_f16(const std::byte* source) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)));
  }
  static void store_f16(std::byte* target, Reg a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target), _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
  }
  static Reg load_u8(const std::byte* source) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source))));
  }
  static Reg load_i8(const std::byte* source) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source))));
  }
  static Reg load_bf16(const std::byte* source) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  /// 16 signed bytes to 16 / kLanes registers.
  static void from_16_i8(__m128i bytes, Reg* target) { target[0] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }

 private:
  static __mmask16 first_lanes(int count) { return static_cast<__mmask16>((1u << count) - 1u); }
};

struct Vec : FloatVec<Vec> {};

}  // namespace saccade::avx512
