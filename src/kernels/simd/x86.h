// What the register types of x86 (avx2/vec.h, avx512/vec.h) share beside their own width, with AVX2 and F16C. Templates
// over the type that inherits them, so that every leaf has its own (leaf.h).
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace saccade::simd {

/// 16 bytes: what blocks.h decodes weights in.
template <typename Self>
struct X86Bytes {
  using Reg = __m128i;

  static Reg load(const std::byte* source) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(source)); }
  static Reg set(int8_t value) { return _mm_set1_epi8(value); }
  static Reg add(Reg a, Reg b) { return _mm_add_epi8(a, b); }
  static Reg low_nibbles(Reg a) { return _mm_and_si128(a, set(15)); }
  static Reg high_nibbles(Reg a) { return low_nibbles(_mm_srli_epi16(a, 4)); }
  /// 16 where bit i of the 16 at `bits` is set, else 0, in byte i.
  static Reg sixteen_where_set(const std::byte* bits) {
    int16_t both;
    __builtin_memcpy(&both, bits, sizeof both);
    const Reg spread =
        _mm_shuffle_epi8(_mm_set1_epi16(both), _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
    return sixteen_where(spread, _mm_set1_epi64x(static_cast<int64_t>(0x8040201008040201ULL)));
  }
  /// 16 where bit `bit` of the byte is set, else 0.
  static Reg sixteen_where_bit(Reg a, int bit) { return sixteen_where(a, set(static_cast<int8_t>(1 << bit))); }
  /// Bits 2 pair and 2 pair + 1 of each byte, as bits 4 and 5.
  static Reg two_bits(Reg a, int pair) {
    const Reg shifted = _mm_srl_epi16(a, _mm_cvtsi32_si128(2 * pair));
    return _mm_slli_epi16(_mm_and_si128(shifted, set(3)), 4);
  }

 private:
  static Reg sixteen_where(Reg a, Reg own_bit) {
    return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(a, own_bit), own_bit), set(16));
  }
};

template <typename Self>
struct X86 {
  using Bytes = X86Bytes<Self>;

  static float f16_to_f32(uint16_t half) { return _cvtsh_ss(half); }
  static uint16_t f32_to_f16(float value) { return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT); }

  /// Makes the compiler believe that the register changes here and that someone wants it.
  template <typename R>
  static void hide(R& reg) {
    asm volatile("" : "+v"(reg));
  }

  /// target[i] = the sum of a[i]'s lanes, i < 4.
  static void reduce_add_4(const __m256* a, float* target) {
    const __m256 quarters = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
    _mm_storeu_ps(target, _mm_add_ps(_mm256_castps256_ps128(quarters), _mm256_extractf128_ps(quarters, 1)));
  }

  /// target[i, j] = source[j, i] for eight by eight.
  static void transpose_8x8(const float* source, int64_t source_stride, float* target, int64_t target_stride) {
    __m256 pairs[8];  // of rows 2j and 2j + 1, interleaved
    for (int j = 0; j < 8; j += 2) {
      const __m256 even = _mm256_loadu_ps(source + j * source_stride);
      const __m256 odd = _mm256_loadu_ps(source + (j + 1) * source_stride);
      pairs[j] = _mm256_unpacklo_ps(even, odd);
      pairs[j + 1] = _mm256_unpackhi_ps(even, odd);
    }
    __m256 fours[8];  // columns 0 | 4, 1 | 5, 2 | 6, 3 | 7 of rows 0..3, then of rows 4..7
    for (int j = 0; j < 8; j += 4) {
      fours[j] = _mm256_shuffle_ps(pairs[j], pairs[j + 2], 0x44);
      fours[j + 1] = _mm256_shuffle_ps(pairs[j], pairs[j + 2], 0xee);
      fours[j + 2] = _mm256_shuffle_ps(pairs[j + 1], pairs[j + 3], 0x44);
      fours[j + 3] = _mm256_shuffle_ps(pairs[j + 1], pairs[j + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
      _mm256_storeu_ps(target + i * target_stride, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20));
      _mm256_storeu_ps(target + (i + 4) * target_stride, _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31));
    }
  }

  /// halves[0:2] = the sums of the first and of the last 16 of 32 numbers.
  static void sum_halves(const int8_t* q, int32_t* halves) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
    const __m256i biased = _mm256_xor_si256(bytes, _mm256_set1_epi8(static_cast<char>(0x80)));
    const __m256i eights = _mm256_sad_epu8(biased, _mm256_setzero_si256());
    halves[0] = static_cast<int32_t>(_mm256_extract_epi64(eights, 0) + _mm256_extract_epi64(eights, 1)) - 16 * 128;
    halves[1] = static_cast<int32_t>(_mm256_extract_epi64(eights, 2) + _mm256_extract_epi64(eights, 3)) - 16 * 128;
  }
};

}  // namespace saccade::simd
