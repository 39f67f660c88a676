// Weights of a type in runs of 32, decoded into registers: for dequantising rows and for dotting with them directly.
// The block layouts are told in reference/dequantize.cc.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace saccade::simd {

/// What one decode() yields.
inline constexpr int kRun = 32;

template <typename V>
inline constexpr int kRunRegs = kRun / V::kLanes;

// Each block type has kRuns to a block of kBytes, and decode(block, run, target) into kRunRegs<V> registers. Zero bytes
// are zero weights. Templates over V even where V does not matter: a function must have a name of its own in each leaf.

template <typename V>
struct F32Block {
  static constexpr int kRuns = 1;
  static constexpr int kBytes = 4 * kRun;
  static void decode(const std::byte* block, int, typename V::Reg* target) {
    for (int i = 0; i < kRunRegs<V>; ++i) target[i] = V::load(reinterpret_cast<const float*>(block) + i * V::kLanes);
  }
};

template <typename V>
struct F16Block {
  static constexpr int kRuns = 1;
  static constexpr int kBytes = 2 * kRun;
  static void decode(const std::byte* block, int, typename V::Reg* target) {
    for (int i = 0; i < kRunRegs<V>; ++i) target[i] = V::load_f16(block + 2 * i * V::kLanes);
  }
};

template <typename V>
struct BF16Block {
  static constexpr int kRuns = 1;
  static constexpr int kBytes = 2 * kRun;
  static void decode(const std::byte* block, int, typename V::Reg* target) {
    for (int i = 0; i < kRunRegs<V>; ++i) target[i] = V::load_bf16(block + 2 * i * V::kLanes);
  }
};

template <typename V>
inline __m128i load_16_bytes(const std::byte* source) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(source));
}

template <typename V>
inline float load_scale(const std::byte* source) {
  uint16_t half;
  __builtin_memcpy(&half, source, sizeof half);
  return _cvtsh_ss(half);
}

template <typename V>
inline int load_byte(const std::byte* source) {
  return static_cast<int>(*source);
}

/// The run's weights as signed bytes: elements 0..15 and 16..31.
struct RunBytes {
  __m128i first;
  __m128i second;
};

/// weight = q * scale
template <typename V>
inline void scale_run(RunBytes q, float scale, typename V::Reg* target) {
  V::from_16_i8(q.first, target);
  V::from_16_i8(q.second, target + kRunRegs<V> / 2);
  const typename V::Reg factor = V::set(scale);
  for (int i = 0; i < kRunRegs<V>; ++i) target[i] = V::mul(target[i], factor);
}

/// weight = q * scale + offset
template <typename V>
inline void scale_run(RunBytes q, float scale, float offset, typename V::Reg* target) {
  scale_run<V>(q, scale, target);
  for (int i = 0; i < kRunRegs<V>; ++i) target[i] = V::add(target[i], V::set(offset));
}

/// Low (is_high false) or high halves of 16 bytes.
template <typename V>
inline __m128i nibbles(__m128i bytes, bool is_high) {
  const __m128i halves = is_high ? _mm_srli_epi16(bytes, 4) : bytes;
  return _mm_and_si128(halves, _mm_set1_epi8(15));
}

/// A block of 32 in 16 bytes: the low halves, then the high halves.
template <typename V>
inline RunBytes split_nibbles(const std::byte* source) {
  const __m128i bytes = load_16_bytes<V>(source);
  return {nibbles<V>(bytes, false), nibbles<V>(bytes, true)};
}

template <typename V>
inline RunBytes plus(RunBytes a, __m128i first, __m128i second) {
  return {_mm_add_epi8(a.first, first), _mm_add_epi8(a.second, second)};
}

template <typename V>
inline RunBytes plus(RunBytes a, char offset) {
  return plus<V>(a, _mm_set1_epi8(offset), _mm_set1_epi8(offset));
}

template <typename V>
struct Q8_0Block {
  static constexpr int kRuns = 1;
  static constexpr int kBytes = 34;
  static void decode(const std::byte* block, int, typename V::Reg* target) {
    const RunBytes q = {load_16_bytes<V>(block + 2), load_16_bytes<V>(block + 18)};
    scale_run<V>(q, load_scale<V>(block), target);
  }
};

template <typename V>
struct Q4_0Block {
  static constexpr int kRuns = 1;
  static constexpr int kBytes = 18;
  static void decode(const std::byte* block, int, typename V::Reg* target) {
    scale_run<V>(plus<V>(split_nibbles<V>(block + 2), -8), load_scale<V>(block), target);
  }
};

template <typename V>
struct Q4_1Block {
  static constexpr int kRuns = 1;
  static constexpr int kBytes = 20;
  static void decode(const std::byte* block, int, typename V::Reg* target) {
    scale_run<V>(split_nibbles<V>(block + 4), load_scale<V>(block), load_scale<V>(block + 2), target);
  }
};

/// 16 where bit i of the 16 at `source` is set, else 0, in byte i.
template <typename V>
inline __m128i fifth_bits(const std::byte* source) {
  const int bits = load_byte<V>(source) | (load_byte<V>(source + 1) << 8);
  const __m128i spread = _mm_shuffle_epi8(_mm_set1_epi16(static_cast<int16_t>(bits)),
                                          _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  const __m128i own_bit = _mm_set1_epi64x(static_cast<int64_t>(0x8040201008040201ULL));
  const __m128i is_set = _mm_cmpeq_epi8(_mm_and_si128(spread, own_bit), own_bit);
  return _mm_and_si128(is_set, _mm_set1_epi8(16));
}

template <typename V>
struct Q5_0Block {
  static constexpr int kRuns = 1;
  static constexpr int kBytes = 22;
  static void decode(const std::byte* block, int, typename V::Reg* target) {
    const RunBytes q = plus<V>(split_nibbles<V>(block + 6), fifth_bits<V>(block + 2), fifth_bits<V>(block + 4));
    scale_run<V>(plus<V>(q, -16), load_scale<V>(block), target);
  }
};

template <typename V>
struct Q5_1Block {
  static constexpr int kRuns = 1;
  static constexpr int kBytes = 24;
  static void decode(const std::byte* block, int, typename V::Reg* target) {
    const RunBytes q = plus<V>(split_nibbles<V>(block + 8), fifth_bits<V>(block + 4), fifth_bits<V>(block + 6));
    scale_run<V>(q, load_scale<V>(block), load_scale<V>(block + 2), target);
  }
};

/// q4_k and q5_k: weight = (scale * run_scale) * q - min_scale * run_min.
template <typename V>
inline void scale_k_run(const std::byte* block, int run, RunBytes q, typename V::Reg* target) {
  const std::byte* packed = block + 4;
  int run_scale;
  int run_min;
  if (run < 4) {
    run_scale = load_byte<V>(packed + run) & 63;
    run_min = load_byte<V>(packed + run + 4) & 63;
  } else {
    const int low = load_byte<V>(packed + run + 4);
    run_scale = (low & 15) | ((load_byte<V>(packed + run - 4) >> 6) << 4);
    run_min = (low >> 4) | ((load_byte<V>(packed + run) >> 6) << 4);
  }
  const float scale = load_scale<V>(block) * static_cast<float>(run_scale);
  scale_run<V>(q, scale, -(load_scale<V>(block + 2) * static_cast<float>(run_min)), target);
}

/// Run `run` of 4-bit values of which each 32 bytes hold two runs.
template <typename V>
inline RunBytes k_nibbles(const std::byte* source, int run) {
  const std::byte* bytes = source + run / 2 * 32;
  const bool is_high = run % 2 == 1;
  return {nibbles<V>(load_16_bytes<V>(bytes), is_high), nibbles<V>(load_16_bytes<V>(bytes + 16), is_high)};
}

template <typename V>
struct Q4_KBlock {
  static constexpr int kRuns = 8;
  static constexpr int kBytes = 144;
  static void decode(const std::byte* block, int run, typename V::Reg* target) {
    scale_k_run<V>(block, run, k_nibbles<V>(block + 16, run), target);
  }
};

template <typename V>
struct Q5_KBlock {
  static constexpr int kRuns = 8;
  static constexpr int kBytes = 176;
  static void decode(const std::byte* block, int run, typename V::Reg* target) {
    const RunBytes q = plus<V>(k_nibbles<V>(block + 48, run), fifths(block + 16, run), fifths(block + 32, run));
    scale_k_run<V>(block, run, q, target);
  }

 private:
  /// 16 where bit `run` of the byte is set, else 0.
  static __m128i fifths(const std::byte* source, int run) {
    const __m128i bit = _mm_set1_epi8(static_cast<char>(1 << run));
    const __m128i is_set = _mm_cmpeq_epi8(_mm_and_si128(load_16_bytes<V>(source), bit), bit);
    return _mm_and_si128(is_set, _mm_set1_epi8(16));
  }
};

template <typename V>
struct Q6_KBlock {
  static constexpr int kRuns = 8;
  static constexpr int kBytes = 210;
  static void decode(const std::byte* block, int run, typename V::Reg* target) {
    const float scale = load_scale<V>(block + 208);
    for (int half = 0; half < 2; ++half) {  // of the run: each 16 weights have a scale
      const std::byte* low = block + run / 4 * 64 + run % 2 * 32 + half * 16;
      const std::byte* high = block + 128 + run / 4 * 32 + half * 16;
      const __m128i low_bits = nibbles<V>(load_16_bytes<V>(low), run % 4 >= 2);
      const __m128i q = _mm_sub_epi8(_mm_or_si128(low_bits, high_bits(high, run % 4)), _mm_set1_epi8(32));
      typename V::Reg* half_target = target + half * (kRunRegs<V> / 2);
      V::from_16_i8(q, half_target);
      const auto sub_scale = static_cast<int8_t>(block[192 + 2 * run + half]);
      const typename V::Reg factor = V::set(scale * static_cast<float>(sub_scale));
      for (int i = 0; i < kRunRegs<V> / 2; ++i) half_target[i] = V::mul(half_target[i], factor);
    }
  }

 private:
  /// Bits 2 pair and 2 pair + 1 of each byte, as bits 4 and 5.
  static __m128i high_bits(const std::byte* source, int pair) {
    const __m128i shifted = _mm_srl_epi16(load_16_bytes<V>(source), _mm_cvtsi32_si128(2 * pair));
    return _mm_slli_epi16(_mm_and_si128(shifted, _mm_set1_epi8(3)), 4);
  }
};

}  // namespace saccade::simd
