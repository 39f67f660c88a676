// Weights of a type in runs of 32, decoded into registers: for dequantising rows and for dotting with them directly.
// The block layouts are told in reference/dequantize.cc.
#pragma once

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
inline float load_scale(const std::byte* source) {
  uint16_t half;
  __builtin_memcpy(&half, source, sizeof half);
  return V::f16_to_f32(half);
}

template <typename V>
inline int load_byte(const std::byte* source) {
  return static_cast<int>(*source);
}

/// The run's weights as signed bytes: elements 0..15 and 16..31.
template <typename V>
struct RunBytes {
  typename V::Bytes::Reg first;
  typename V::Bytes::Reg second;
};

/// weight = q * scale
template <typename V>
inline void scale_run(RunBytes<V> q, float scale, typename V::Reg* target) {
  V::from_16_i8(q.first, target);
  V::from_16_i8(q.second, target + kRunRegs<V> / 2);
  const typename V::Reg factor = V::set(scale);
  for (int i = 0; i < kRunRegs<V>; ++i) target[i] = V::mul(target[i], factor);
}

/// weight = q * scale + offset
template <typename V>
inline void scale_run(RunBytes<V> q, float scale, float offset, typename V::Reg* target) {
  scale_run<V>(q, scale, target);
  for (int i = 0; i < kRunRegs<V>; ++i) target[i] = V::add(target[i], V::set(offset));
}

template <typename V>
inline RunBytes<V> load_run(const std::byte* source) {
  return {V::Bytes::load(source), V::Bytes::load(source + 16)};
}

/// Low (is_high false) or high halves of bytes.
template <typename V>
inline typename V::Bytes::Reg nibbles(typename V::Bytes::Reg bytes, bool is_high) {
  return is_high ? V::Bytes::high_nibbles(bytes) : V::Bytes::low_nibbles(bytes);
}

/// A block of 32 in 16 bytes: the low halves, then the high halves.
template <typename V>
inline RunBytes<V> split_nibbles(const std::byte* source) {
  const auto bytes = V::Bytes::load(source);
  return {V::Bytes::low_nibbles(bytes), V::Bytes::high_nibbles(bytes)};
}

template <typename V>
inline RunBytes<V> plus(RunBytes<V> a, RunBytes<V> b) {
  return {V::Bytes::add(a.first, b.first), V::Bytes::add(a.second, b.second)};
}

template <typename V>
inline RunBytes<V> plus(RunBytes<V> a, int8_t offset) {
  return plus<V>(a, {V::Bytes::set(offset), V::Bytes::set(offset)});
}

template <typename V>
struct Q8_0Block {
  static constexpr int kRuns = 1;
  static constexpr int kBytes = 34;
  static void decode(const std::byte* block, int, typename V::Reg* target) {
    scale_run<V>(load_run<V>(block + 2), load_scale<V>(block), target);
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

/// 16 where bit i of the 32 at `source` is set, else 0, in byte i.
template <typename V>
inline RunBytes<V> fifth_bits(const std::byte* source) {
  return {V::Bytes::sixteen_where_set(source), V::Bytes::sixteen_where_set(source + 2)};
}

template <typename V>
struct Q5_0Block {
  static constexpr int kRuns = 1;
  static constexpr int kBytes = 22;
  static void decode(const std::byte* block, int, typename V::Reg* target) {
    const RunBytes<V> q = plus<V>(split_nibbles<V>(block + 6), fifth_bits<V>(block + 2));
    scale_run<V>(plus<V>(q, -16), load_scale<V>(block), target);
  }
};

template <typename V>
struct Q5_1Block {
  static constexpr int kRuns = 1;
  static constexpr int kBytes = 24;
  static void decode(const std::byte* block, int, typename V::Reg* target) {
    const RunBytes<V> q = plus<V>(split_nibbles<V>(block + 8), fifth_bits<V>(block + 4));
    scale_run<V>(q, load_scale<V>(block), load_scale<V>(block + 2), target);
  }
};

/// q4_k and q5_k: weight = (scale * run_scale) * q - min_scale * run_min.
template <typename V>
inline void scale_k_run(const std::byte* block, int run, RunBytes<V> q, typename V::Reg* target) {
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
inline RunBytes<V> k_nibbles(const std::byte* source, int run) {
  const RunBytes<V> bytes = load_run<V>(source + run / 2 * 32);
  const bool is_high = run % 2 == 1;
  return {nibbles<V>(bytes.first, is_high), nibbles<V>(bytes.second, is_high)};
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
    const RunBytes<V> bits = load_run<V>(block + 16);
    const RunBytes<V> fifths = {V::Bytes::sixteen_where_bit(bits.first, run),
                                V::Bytes::sixteen_where_bit(bits.second, run)};
    scale_k_run<V>(block, run, plus<V>(k_nibbles<V>(block + 48, run), fifths), target);
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
      const auto low_bits = nibbles<V>(V::Bytes::load(low), run % 4 >= 2);
      const auto high_bits = V::Bytes::two_bits(V::Bytes::load(high), run % 4);
      const auto q = V::Bytes::add(V::Bytes::add(low_bits, high_bits), V::Bytes::set(-32));
      typename V::Reg* half_target = target + half * (kRunRegs<V> / 2);
      V::from_16_i8(q, half_target);
      const auto sub_scale = static_cast<int8_t>(block[192 + 2 * run + half]);
      const typename V::Reg factor = V::set(scale * static_cast<float>(sub_scale));
      for (int i = 0; i < kRunRegs<V> / 2; ++i) half_target[i] = V::mul(half_target[i], factor);
    }
  }
};

}  // namespace saccade::simd
