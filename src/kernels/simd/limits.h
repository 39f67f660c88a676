// What the machine can do at most: entries of a Leaf that only measure (machine_limits.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/leaf.h"

namespace saccade::simd {

inline constexpr int kSpinSums = 12;  // as many as hide the latency of a multiply-add

/// multiply(sum, i) is one instruction with `ops` operations.
template <typename V, typename Reg, typename Multiply>
double spin(int64_t count, Reg start, double ops, const Multiply& multiply) {
  Reg sums[kSpinSums];
  for (int i = 0; i < kSpinSums; ++i) sums[i] = start;
  for (int64_t step = 0; step < count; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSpinSums; ++i) sums[i] = multiply(sums[i]);
  }
  for (int i = 0; i < kSpinSums; ++i) V::hide(sums[i]);
  return static_cast<double>(count) * kSpinSums * ops;
}

template <typename V>
double spin_f32(int64_t count) {
  typename V::Reg a = V::set(1.0f), b = V::set(0.0f);
  V::hide(a);
  V::hide(b);
  return spin<V>(count, V::zero(), 2.0 * V::kLanes, [=](typename V::Reg sum) { return V::mul_add(a, b, sum); });
}

template <typename V>
double spin_int8(int64_t count) {
  typename V::Int zero = V::zero_int();
  V::hide(zero);
  return spin<V>(count, zero, 2.0 * V::kBytes, [=](typename V::Int sum) { return V::dot4(sum, zero, zero); });
}

template <typename V>
uint64_t read_stream(const std::byte* data, int64_t num_bytes) {
  constexpr int64_t kAhead = 2048;
  const bool asks_ahead = reads_ahead_by_software();
  typename V::Int sums[4] = {V::zero_int(), V::zero_int(), V::zero_int(), V::zero_int()};
  for (int64_t at = 0; at < num_bytes; at += 4 * V::kBytes) {
    for (int i = 0; i < 4; ++i) {
      if (asks_ahead) __builtin_prefetch(data + at + kAhead + i * V::kBytes);
      sums[i] = V::xor_int(sums[i], V::load_int(data + at + i * V::kBytes));
    }
  }
  alignas(64) uint64_t words[V::kBytes / 8];
  V::store_int(words, V::xor_int(V::xor_int(sums[0], sums[1]), V::xor_int(sums[2], sums[3])));
  uint64_t result = 0;
  for (const uint64_t word : words) result ^= word;
  return result;
}

}  // namespace saccade::simd
