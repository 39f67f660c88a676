// Four floats or 16 bytes: the register type that the templates of kernels/simd run on, with aarch64's NEON.
//
// Templates, so that what another leaf builds on them has that leaf's name.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace saccade::neon {

/// 16 bytes: what blocks.h decodes weights in.
template <typename Self>
struct Bytes {
  using Reg = uint8x16_t;

  static Reg load(const std::byte* source) { return vld1q_u8(reinterpret_cast<const uint8_t*>(source)); }
  static Reg set(int8_t value) { return vreinterpretq_u8_s8(vdupq_n_s8(value)); }
  static Reg add(Reg a, Reg b) { return vaddq_u8(a, b); }
  static Reg low_nibbles(Reg a) { return vandq_u8(a, vdupq_n_u8(15)); }
  static Reg high_nibbles(Reg a) { return vshrq_n_u8(a, 4); }
  /// 16 where bit i of the 16 at `bits` is set, else 0, in byte i.
  static Reg sixteen_where_set(const std::byte* bits) {
    const uint8x8_t first = vdup_n_u8(static_cast<uint8_t>(bits[0]));
    const uint8x8_t second = vdup_n_u8(static_cast<uint8_t>(bits[1]));
    return sixteen_where(vcombine_u8(first, second), vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201)));
  }
  /// 16 where bit `bit` of the byte is set, else 0.
  static Reg sixteen_where_bit(Reg a, int bit) { return sixteen_where(a, vdupq_n_u8(static_cast<uint8_t>(1 << bit))); }
  /// Bits 2 pair and 2 pair + 1 of each byte, as bits 4 and 5.
  static Reg two_bits(Reg a, int pair) {
    const Reg shifted = vshlq_u8(a, vdupq_n_s8(static_cast<int8_t>(-2 * pair)));
    return vshlq_n_u8(vandq_u8(shifted, vdupq_n_u8(3)), 4);
  }

 private:
  static Reg sixteen_where(Reg a, Reg bits) { return vandq_u8(vtstq_u8(a, bits), vdupq_n_u8(16)); }
};

template <typename Self>
struct ByteVec {
  using Reg = float32x4_t;
  static constexpr int kLanes = 4;
  static constexpr int kTileRows = 6;  // 6 x 4 sums, 4 of the panel and 1 of x: 29 of 32 registers
  static constexpr int kTileRegs = 4;

  static Reg zero() { return vdupq_n_f32(0); }
  static Reg set(float value) { return vdupq_n_f32(value); }
  static Reg load(const float* source) { return vld1q_f32(source); }
  static void store(float* target, Reg a) { vst1q_f32(target, a); }
  /// The first `count` < kLanes elements; the others are 0.
  static Reg load_first(const float* source, int count) {
    float lanes[kLanes] = {};
    for (int i = 0; i < count; ++i) lanes[i] = source[i];
    return load(lanes);
  }
  static void store_first(float* target, Reg a, int count) {
    float lanes[kLanes];
    store(lanes, a);
    for (int i = 0; i < count; ++i) target[i] = lanes[i];
  }

  static Reg add(Reg a, Reg b) { return vaddq_f32(a, b); }
  static Reg sub(Reg a, Reg b) { return vsubq_f32(a, b); }
  static Reg mul(Reg a, Reg b) { return vmulq_f32(a, b); }
  static Reg div(Reg a, Reg b) { return vdivq_f32(a, b); }
  /// b where either is NaN.
  static Reg max(Reg a, Reg b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static Reg min(Reg a, Reg b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
  static Reg mul_add(Reg a, Reg b, Reg c) { return vfmaq_f32(c, a, b); }      // a * b + c
  static Reg neg_mul_add(Reg a, Reg b, Reg c) { return vfmsq_f32(c, a, b); }  // c - a * b
  static Reg round(Reg a) { return vrndnq_f32(a); }

  /// a * 2^n for whole n in [-150, 129]: in two steps, since 2^n itself may be no normal float.
  static Reg times_power_of_two(Reg a, Reg n) {
    const int32x4_t whole = vcvtq_s32_f32(n);
    const int32x4_t half = vshrq_n_s32(whole, 1);
    return vmulq_f32(vmulq_f32(a, power_of_two(half)), power_of_two(vsubq_s32(whole, half)));
  }

  /// kLanes / 2 floats, each in two lanes side by side.
  static Reg twice_each(const float* source) {
    const float32x2_t values = vld1_f32(source);
    return vcombine_f32(vdup_lane_f32(values, 0), vdup_lane_f32(values, 1));
  }
  static Reg swap_pairs(Reg a) { return vrev64q_f32(a); }
  /// a * b - c in even lanes, a * b + c in odd ones.
  static Reg mul_add_sub(Reg a, Reg b, Reg c) {
    const uint32x4_t even_signs = vreinterpretq_u32_u64(vdupq_n_u64(0x80000000));
    return vfmaq_f32(vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(c), even_signs)), a, b);
  }

  static float reduce_add(Reg a) { return vaddvq_f32(a); }
  /// target[i] = the sum of a[i]'s lanes, i < 4.
  static void reduce_add_4(const Reg* a, float* target) {
    vst1q_f32(target, vpaddq_f32(vpaddq_f32(a[0], a[1]), vpaddq_f32(a[2], a[3])));
  }
  static float reduce_max(Reg a) { return vmaxvq_f32(a); }

  // Weights as they lie in memory, kLanes at a time.
  static float f16_to_f32(uint16_t half) {
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
  }
  static uint16_t f32_to_f16(float value) { return vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(set(value))), 0); }
  static Reg load_f16(const std::byte* source) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(reinterpret_cast<const uint8_t*>(source))));
  }
  static void store_f16(std::byte* target, Reg a) {
    vst1_u8(reinterpret_cast<uint8_t*>(target), vreinterpret_u8_f16(vcvt_f16_f32(a)));
  }
  static Reg load_u8(const std::byte* source) {
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(four_bytes(source))))));
  }
  static Reg load_i8(const std::byte* source) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(four_bytes(source))))));
  }
  static Reg load_bf16(const std::byte* source) {
    const uint8x8_t halves = vld1_u8(reinterpret_cast<const uint8_t*>(source));
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(halves), 16));
  }
  /// 16 signed bytes to 16 / kLanes registers.
  static void from_16_i8(uint8x16_t bytes, Reg* target) {
    const int16x8_t low = vmovl_s8(vget_low_s8(vreinterpretq_s8_u8(bytes)));
    const int16x8_t high = vmovl_high_s8(vreinterpretq_s8_u8(bytes));
    target[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
    target[1] = vcvtq_f32_s32(vmovl_high_s16(low));
    target[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
    target[3] = vcvtq_f32_s32(vmovl_high_s16(high));
  }

  // Bytes, kBytes at a time (kernels/simd/panels.h).
  using Bytes = neon::Bytes<Self>;
  using Int = uint8x16_t;
  static constexpr int kBytes = 16;
  static constexpr bool kHasVnni = false;
  static constexpr int kPanelDotRows = 4;
  static constexpr int kPanelTileRows = 4;

  static Int zero_int() { return vdupq_n_u8(0); }
  static Int load_int(const void* source) { return vld1q_u8(static_cast<const uint8_t*>(source)); }
  static void store_int(void* target, Int a) { vst1q_u8(static_cast<uint8_t*>(target), a); }
  static Int broadcast_int(const int32_t* source) {
    int32_t value;
    __builtin_memcpy(&value, source, sizeof value);
    return vreinterpretq_u8_s32(vdupq_n_s32(value));
  }
  template <int bits>
  static Int shift_right_int(Int a) {
    return vreinterpretq_u8_s32(vshrq_n_s32(vreinterpretq_s32_u8(a), bits));
  }
  static Int flip_sign_bits(Int a) { return veorq_u8(a, vdupq_n_u8(0x80)); }
  static Int add_int(Int a, Int b) {  // of 32-bit lanes
    return vreinterpretq_u8_u32(vaddq_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
  }
  static Int xor_int(Int a, Int b) { return veorq_u8(a, b); }
  static Int low_nibbles(Int a) { return Bytes::low_nibbles(a); }
  static Int high_nibbles(Int a) { return Bytes::high_nibbles(a); }
  /// a, plus 16 in byte i where bit i of the 16 at `bits` is set.
  static Int or_16_where(Int a, const std::byte* bits) { return vorrq_u8(a, Bytes::sixteen_where_set(bits)); }
  /// a, plus 16 times bits 2 pair and 2 pair + 1 of each byte of `b`.
  static Int or_two_bits(Int a, Int b, int pair) { return vorrq_u8(a, Bytes::two_bits(b, pair)); }
  static Reg to_float(Int a) { return vcvtq_f32_s32(vreinterpretq_s32_u8(a)); }
  /// In each 32-bit lane: sums + the dot of four signed bytes of w and four of x, which are at least -127.
  static Int dot4_signed(Int sums, Int w, Int x) {
    const int16x8_t low = vmull_s8(vget_low_s8(vreinterpretq_s8_u8(w)), vget_low_s8(vreinterpretq_s8_u8(x)));
    const int16x8_t high = vmull_high_s8(vreinterpretq_s8_u8(w), vreinterpretq_s8_u8(x));
    return vreinterpretq_u8_s32(vpadalq_s16(vreinterpretq_s32_u8(sums), vpaddq_s16(low, high)));
  }
  /// The same for bytes of w from 0 to 127.
  static Int dot4(Int sums, Int w, Int x) { return Self::dot4_signed(sums, w, x); }
  /// Rounded to nearest; each in [-128, 127].
  static void store_32_i8(int8_t* target, const Reg* values) {
    for (int i = 0; i < 2; ++i, values += 4) {
      vst1q_s8(target + 16 * i, vcombine_s8(vqmovn_s16(to_i16(values)), vqmovn_s16(to_i16(values + 2))));
    }
  }
  /// halves[0:2] = the sums of the first and of the last 16 of 32 numbers.
  static void sum_halves(const int8_t* q, int32_t* halves) {
    halves[0] = vaddlvq_s8(vld1q_s8(q));
    halves[1] = vaddlvq_s8(vld1q_s8(q + 16));
  }

  /// target[i, j] = source[j, i] for eight by eight.
  static void transpose_8x8(const float* source, int64_t source_stride, float* target, int64_t target_stride) {
    for (int i = 0; i < 8; i += 4) {
      for (int j = 0; j < 8; j += 4) {
        transpose_4x4(source + j * source_stride + i, source_stride, target + i * target_stride + j, target_stride);
      }
    }
  }

  /// Makes the compiler believe that the register changes here and that someone wants it.
  template <typename R>
  static void hide(R& reg) {
    asm volatile("" : "+w"(reg));
  }

 private:
  static Reg power_of_two(int32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
  }
  static uint32x2_t four_bytes(const std::byte* source) {
    uint32_t word;
    __builtin_memcpy(&word, source, sizeof word);
    return vdup_n_u32(word);
  }
  static int16x8_t to_i16(const Reg* values) {
    return vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(values[0])), vqmovn_s32(vcvtnq_s32_f32(values[1])));
  }
  static void transpose_4x4(const float* source, int64_t source_stride, float* target, int64_t target_stride) {
    float64x2_t pairs[4];  // of rows 2j and 2j + 1: columns 0 and 2, 1 and 3
    for (int j = 0; j < 4; j += 2) {
      const Reg even = load(source + j * source_stride);
      const Reg odd = load(source + (j + 1) * source_stride);
      pairs[j] = vreinterpretq_f64_f32(vtrn1q_f32(even, odd));
      pairs[j + 1] = vreinterpretq_f64_f32(vtrn2q_f32(even, odd));
    }
    for (int i = 0; i < 2; ++i) {
      store(target + i * target_stride, vreinterpretq_f32_f64(vtrn1q_f64(pairs[i], pairs[i + 2])));
      store(target + (i + 2) * target_stride, vreinterpretq_f32_f64(vtrn2q_f64(pairs[i], pairs[i + 2])));
    }
  }
};

struct Vec : ByteVec<Vec> {};

}  // namespace saccade::neon
