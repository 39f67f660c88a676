// Seeded data and the ISAs that this machine has, for the kernel tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/half.h"
#include "kernels/isa.h"
#include "tensor/dtype.h"

namespace saccade::test {

#if defined(SACCADE_EMULATED)
inline constexpr bool kIsEmulated = true;
#else
inline constexpr bool kIsEmulated = false;
#endif

/// Of a loop over random cases: a tenth in an emulator, where arithmetic takes some fifty times as long.
constexpr int num_repeats(int natively) {
  return kIsEmulated ? natively / 10 : natively;
}

inline std::vector<Isa> runnable_isas() {
  std::vector<Isa> isas;
  for (Isa isa : kAllIsas) {
    if (can_run(isa)) isas.push_back(isa);
  }
  return isas;
}

/// Runs the kernels on `isa` while it lives.
class ScopedIsa {
 public:
  explicit ScopedIsa(Isa isa) : previous_(active_isa().value()) { is_ok_ = set_active_isa(isa).is_ok(); }
  ~ScopedIsa() { is_ok_ = set_active_isa(previous_).is_ok(); }
  ScopedIsa(const ScopedIsa&) = delete;
  ScopedIsa& operator=(const ScopedIsa&) = delete;
  bool is_ok() const { return is_ok_; }

 private:
  Isa previous_;
  bool is_ok_ = false;
};

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int64_t between(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }
  bool coin() { return between(0, 1) == 1; }
  std::vector<float> normals(int64_t count, float deviation = 1) {
    std::normal_distribution<float> distribution(0, deviation);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = distribution(engine_);
    return values;
  }
  std::vector<std::byte> bytes(int64_t count) {
    std::vector<std::byte> values(static_cast<size_t>(count));
    for (std::byte& value : values) value = static_cast<std::byte>(between(0, 255));
    return values;
  }

 private:
  std::mt19937 engine_;
};

/// Offsets in a block of its 16-bit scales; none where the type has no blocks.
inline std::vector<int> scale_offsets(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ5_0:
      return {0};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kQ6_K:
      return {208};
    default:
      return {};
  }
}

/// Random weights: every bit of a block is random except its scales, which are small normal numbers.
inline std::vector<std::byte> random_weights(Random& random, DType dtype, int64_t count) {
  const DTypeTraits& traits = traits_of(dtype);
  std::vector<std::byte> bytes = random.bytes(row_bytes(dtype, count));
  const auto put = [&](size_t offset, uint32_t value, size_t size) {
    for (size_t i = 0; i < size; ++i) bytes[offset + i] = static_cast<std::byte>(value >> (8 * i));
  };
  const std::vector<float> values = random.normals(2 * count, 0.02f);
  size_t next = 0;
  for (size_t block = 0; block < bytes.size(); block += static_cast<size_t>(traits.block_bytes)) {
    if (dtype == DType::kF32) put(block, std::bit_cast<uint32_t>(values[next++]), 4);
    if (dtype == DType::kF16) put(block, f32_to_f16(values[next++]), 2);
    if (dtype == DType::kBF16) put(block, f32_to_bf16(values[next++]), 2);
    for (int offset : scale_offsets(dtype)) put(block + static_cast<size_t>(offset), f32_to_f16(values[next++]), 2);
  }
  return bytes;
}

inline std::string name_of(Isa isa) {
  return std::string(isa_name(isa));
}

}  // namespace saccade::test
