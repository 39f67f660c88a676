// Sixteen floats or 64 bytes, with AVX-512's VNNI beside what avx512/vec.h needs.
#pragma once

#include "kernels/avx512/vec.h"

namespace saccade::avx512_vnni {

template <typename Self>
struct ByteVec : avx512::FloatVec<Self> {
  using Reg = typename avx512::FloatVec<Self>::Reg;
  using Int = __m512i;
  static constexpr int kBytes = 64;
  static constexpr bool kHasVnni = true;
  static constexpr int kPanelDotRows = 8;
  static constexpr int kPanelTileRows = 8;  // 12 would fit the registers and is 5 to 10 % slower on a Zen 4

  static Int zero_int() { return _mm512_setzero_si512(); }
  static Int load_int(const void* source) { return _mm512_loadu_si512(source); }
  static void store_int(void* target, Int a) { _mm512_storeu_si512(target, a); }
  static Int broadcast_int(const int32_t* source) {
    int32_t value;
    __builtin_memcpy(&value, source, sizeof value);
    return _mm512_set1_epi32(value);
  }
  template <int bits>
  static Int shift_right_int(Int a) {
    return _mm512_srai_epi32(a, bits);
  }
  static Int flip_sign_bits(Int a) { return _mm512_xor_si512(a, _mm512_set1_epi8(static_cast<char>(0x80))); }
  static Int add_int(Int a, Int b) { return _mm512_add_epi32(a, b); }  // of 32-bit lanes
  static Int xor_int(Int a, Int b) { return _mm512_xor_si512(a, b); }
  static Int low_nibbles(Int a) { return _mm512_and_si512(a, _mm512_set1_epi8(15)); }
  static Int high_nibbles(Int a) { return low_nibbles(_mm512_srli_epi16(a, 4)); }
  static Int add_bytes(Int a, int8_t b) { return _mm512_add_epi8(a, _mm512_set1_epi8(b)); }
  /// a, plus 16 in byte i where bit i of the 64 at `bits` is set; a has no such bit yet.
  static Int or_16_where(Int a, const std::byte* bits) {
    uint64_t word;
    __builtin_memcpy(&word, bits, sizeof word);
    return _mm512_mask_add_epi8(a, _cvtu64_mask64(word), a, _mm512_set1_epi8(16));
  }
  /// a, plus 16 times bits 2 pair and 2 pair + 1 of each byte of `b`.
  static Int or_two_bits(Int a, Int b, int pair) {
    const Int shifted = _mm512_and_si512(_mm512_srl_epi16(b, _mm_cvtsi32_si128(2 * pair)), _mm512_set1_epi8(3));
    return _mm512_or_si512(a, _mm512_slli_epi16(shifted, 4));
  }
  static Reg to_float(Int a) { return _mm512_cvtepi32_ps(a); }
  /// In each 32-bit lane: sums + the dot of four bytes of w and four signed ones of x.
  static Int dot4(Int sums, Int w, Int x) { return _mm512_dpbusd_epi32(sums, w, x); }
  /// Rounded to nearest; each in [-128, 127].
  static void store_32_i8(int8_t* target, const Reg* values) {
    for (int i = 0; i < 2; ++i) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(target + 16 * i),
                       _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(values[i])));
    }
  }
};

struct Vec : ByteVec<Vec> {};

}  // namespace saccade::avx512_vnni
