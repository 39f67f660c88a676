// Eight floats or 32 bytes: the register type that the templates of kernels/simd run on, with AVX2, FMA and F16C.
//
// A template, so that what another leaf builds on it has that leaf's name.
#pragma once

#include "kernels/simd/x86.h"

namespace saccade::avx2 {

template <typename Self>
struct ByteVec : simd::X86<Self> {
  using Reg = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kTileRows = 6;  // 6 x 2 sums, 2 of the panel and 1 of x: 15 of 16 registers
  static constexpr int kTileRegs = 2;

  static Reg zero() { return _mm256_setzero_ps(); }
  static Reg set(float value) { return _mm256_set1_ps(value); }
  static Reg load(const float* source) { return _mm256_loadu_ps(source); }
  static void store(float* target, Reg a) { _mm256_storeu_ps(target, a); }
  /// The first `count` < kLanes elements; the others are 0.
  static Reg load_first(const float* source, int count) { return _mm256_maskload_ps(source, first_lanes(count)); }
  static void store_first(float* target, Reg a, int count) { _mm256_maskstore_ps(target, first_lanes(count), a); }

  static Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static Reg div(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  /// b where either is NaN.
  static Reg max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  static Reg min(Reg a, Reg b) { return _mm256_min_ps(a, b); }
  static Reg mul_add(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }       // a * b + c
  static Reg neg_mul_add(Reg a, Reg b, Reg c) { return _mm256_fnmadd_ps(a, b, c); }  // c - a * b
  static Reg round(Reg a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

  /// a * 2^n for whole n in [-150, 129]: in two steps, since 2^n itself may be no normal float.
  static Reg times_power_of_two(Reg a, Reg n) {
    const __m256i whole = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    return _mm256_mul_ps(_mm256_mul_ps(a, power_of_two(half)), power_of_two(_mm256_sub_epi32(whole, half)));
  }

  /// kLanes / 2 floats, each in two lanes side by side.
  static Reg twice_each(const float* source) {
    const __m128 values = _mm_loadu_ps(source);
    return _mm256_set_m128(_mm_unpackhi_ps(values, values), _mm_unpacklo_ps(values, values));
  }
  static Reg swap_pairs(Reg a) { return _mm256_permute_ps(a, 0xb1); }
  /// a * b - c in even lanes, a * b + c in odd ones.
  static Reg mul_add_sub(Reg a, Reg b, Reg c) { return _mm256_fmaddsub_ps(a, b, c); }

  static float reduce_add(Reg a) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static float reduce_max(Reg a) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

  // Weights as they lie in memory, kLanes at a time.
  static Reg load_f16(const std::byte* source) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source)));
  }
  static void store_f16(std::byte* target, Reg a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target), _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
  }
  static Reg load_u8(const std::byte* source) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(source))));
  }
  static Reg load_i8(const std::byte* source) {
    return from_i8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(source)));
  }
  static Reg load_bf16(const std::byte* source) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  /// The lowest kLanes signed bytes.
  static Reg from_i8(__m128i bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)); }
  /// 16 signed bytes to 16 / kLanes registers.
  static void from_16_i8(__m128i bytes, Reg* target) {
    target[0] = from_i8(bytes);
    target[1] = from_i8(_mm_unpackhi_epi64(bytes, bytes));
  }

  // Bytes, kBytes at a time (kernels/simd/panels.h).
  using Int = __m256i;
  static constexpr int kBytes = 32;
  static constexpr bool kHasVnni = false;
  static constexpr int kPanelDotRows = 4;
  static constexpr int kPanelTileRows = 4;

  static Int zero_int() { return _mm256_setzero_si256(); }
  static Int load_int(const void* source) { return _mm256_loadu_si256(static_cast<const __m256i*>(source)); }
  static void store_int(void* target, Int a) { _mm256_storeu_si256(static_cast<__m256i*>(target), a); }
  static Int broadcast_int(const int32_t* source) {
    int32_t value;
    __builtin_memcpy(&value, source, sizeof value);
    return _mm256_set1_epi32(value);
  }
  template <int bits>
  static Int shift_right_int(Int a) {
    return _mm256_srai_epi32(a, bits);
  }
  static Int flip_sign_bits(Int a) { return _mm256_xor_si256(a, _mm256_set1_epi8(static_cast<char>(0x80))); }
  static Int add_int(Int a, Int b) { return _mm256_add_epi32(a, b); }  // of 32-bit lanes
  static Int xor_int(Int a, Int b) { return _mm256_xor_si256(a, b); }
  static Int low_nibbles(Int a) { return _mm256_and_si256(a, _mm256_set1_epi8(15)); }
  static Int high_nibbles(Int a) { return low_nibbles(_mm256_srli_epi16(a, 4)); }
  static Int add_bytes(Int a, int8_t b) { return _mm256_add_epi8(a, _mm256_set1_epi8(b)); }
  /// a, plus 16 in byte i where bit i of the 32 at `bits` is set.
  static Int or_16_where(Int a, const std::byte* bits) {
    int32_t word;
    __builtin_memcpy(&word, bits, sizeof word);
    const Int spread =
        _mm256_shuffle_epi8(_mm256_set1_epi32(word), _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2,
                                                                      2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3));
    const Int own_bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201ULL));
    const Int is_set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, own_bit), own_bit);
    return _mm256_or_si256(a, _mm256_and_si256(is_set, _mm256_set1_epi8(16)));
  }
  /// a, plus 16 times bits 2 pair and 2 pair + 1 of each byte of `b`.
  static Int or_two_bits(Int a, Int b, int pair) {
    const Int shifted = _mm256_and_si256(_mm256_srl_epi16(b, _mm_cvtsi32_si128(2 * pair)), _mm256_set1_epi8(3));
    return _mm256_or_si256(a, _mm256_slli_epi16(shifted, 4));
  }
  static Reg to_float(Int a) { return _mm256_cvtepi32_ps(a); }
  /// In each 32-bit lane: sums + the dot of four bytes of w, each at most 127, and four signed ones of x.
  static Int dot4(Int sums, Int w, Int x) { return add_pairs(sums, _mm256_maddubs_epi16(w, x)); }
  /// The same for signed w; x is at least -127.
  static Int dot4_signed(Int sums, Int w, Int x) {
    return add_pairs(sums, _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)));
  }
  /// Rounded to nearest; each in [-128, 127].
  static void store_32_i8(int8_t* target, const Reg* values) {
    const Int low = _mm256_packs_epi32(_mm256_cvtps_epi32(values[0]), _mm256_cvtps_epi32(values[1]));
    const Int high = _mm256_packs_epi32(_mm256_cvtps_epi32(values[2]), _mm256_cvtps_epi32(values[3]));
    const Int order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    store_int(target, _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order));
  }

 private:
  static Int add_pairs(Int sums, Int pairs) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static __m256i first_lanes(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Reg power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
};

struct Vec : ByteVec<Vec> {};

}  // namespace saccade::avx2
