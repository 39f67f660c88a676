// Every type against a decoder that states the bit layout again, weight by weight, from a stream of bits.
#include "kernels/dequantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/kernel_test_data.h"

namespace saccade {
namespace {

using test::Random;
using test::ScopedIsa;

/// A block, read by bit numbers: bit 8 b + i is bit i of byte b.
class Bits {
 public:
  explicit Bits(const std::byte* block) : block_(block) {}
  int at(int64_t byte, int first_bit, int num_bits) const {
    int value = 0;
    for (int i = 0; i < num_bits; ++i) {
      const int64_t bit = 8 * byte + first_bit + i;
      value |= ((std::to_integer<int>(block_[bit / 8]) >> (bit % 8)) & 1) << i;
    }
    return value;
  }
  /// sign, 5 bits of exponent, 10 of fraction
  float half_at(int64_t byte) const {
    const int fraction = at(byte, 0, 10), exponent = at(byte, 10, 5);
    const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    return static_cast<float>(at(byte, 15, 1) != 0 ? -magnitude : magnitude);
  }

 private:
  const std::byte* block_;
};

/// The six-bit scale and minimum of run `run` of a k-block whose 12 bytes of them start at byte 4.
std::pair<int, int> k_scales(const Bits& bits, int run) {
  if (run < 4) return {bits.at(4 + run, 0, 6), bits.at(8 + run, 0, 6)};
  return {bits.at(12 + run - 4, 0, 4) + 16 * bits.at(4 + run - 4, 6, 2),
          bits.at(12 + run - 4, 4, 4) + 16 * bits.at(8 + run - 4, 6, 2)};
}

/// Weight `i` of the block.
float expected_weight(DType dtype, const std::byte* block, int i) {
  const Bits bits(block);
  const int nibble = i / 16 * 4;  // of a block of 32
  switch (dtype) {
    case DType::kQ8_0:
      return bits.half_at(0) * static_cast<float>(static_cast<int8_t>(bits.at(2 + i, 0, 8)));
    case DType::kQ4_0:
      return bits.half_at(0) * static_cast<float>(bits.at(2 + i % 16, nibble, 4) - 8);
    case DType::kQ4_1:
      return bits.half_at(0) * static_cast<float>(bits.at(4 + i % 16, nibble, 4)) + bits.half_at(2);
    case DType::kQ5_0:
      return bits.half_at(0) * static_cast<float>(bits.at(6 + i % 16, nibble, 4) + 16 * bits.at(2, i, 1) - 16);
    case DType::kQ5_1:
      return bits.half_at(0) * static_cast<float>(bits.at(8 + i % 16, nibble, 4) + 16 * bits.at(4, i, 1)) +
             bits.half_at(2);
    case DType::kQ4_K:
    case DType::kQ5_K: {
      const int run = i / 32;
      const auto [scale, min] = k_scales(bits, run);
      const bool has_fifth = dtype == DType::kQ5_K;
      int q = bits.at((has_fifth ? 48 : 16) + run / 2 * 32 + i % 32, run % 2 * 4, 4);
      if (has_fifth) q += 16 * bits.at(16 + i % 32, run, 1);
      return bits.half_at(0) * static_cast<float>(scale) * static_cast<float>(q) -
             bits.half_at(2) * static_cast<float>(min);
    }
    case DType::kQ6_K: {
      const int half = i / 128, run = i % 128 / 32, column = i % 32;
      const int q = bits.at(half * 64 + run % 2 * 32 + column, run / 2 * 4, 4) +
                    16 * bits.at(128 + half * 32 + column, run * 2, 2) - 32;
      const auto scale = static_cast<int8_t>(bits.at(192 + i / 16, 0, 8));
      return bits.half_at(208) * static_cast<float>(scale) * static_cast<float>(q);
    }
    default:
      return 0;
  }
}

class DequantizeBlocks : public testing::TestWithParam<DType> {};

TEST_P(DequantizeBlocks, IsExactOnEveryIsaAndUnaligned) {
  const DType dtype = GetParam();
  const DTypeTraits& traits = traits_of(dtype);
  constexpr int kNumBlocks = 50;
  const int64_t count = kNumBlocks * traits.block_size;
  Random random(7);
  std::vector<std::byte> bytes = random_weights(random, dtype, count);
  bytes.insert(bytes.begin(), std::byte{0});  // one off alignment
  for (Isa isa : test::runnable_isas()) {
    ScopedIsa scope(isa);
    std::vector<float> weights(static_cast<size_t>(count));
    dequantize_row(dtype, bytes.data() + 1, weights.data(), count);
    for (int64_t i = 0; i < count; ++i) {
      const std::byte* block = bytes.data() + 1 + i / traits.block_size * traits.block_bytes;
      ASSERT_EQ(weights[static_cast<size_t>(i)], expected_weight(dtype, block, static_cast<int>(i % traits.block_size)))
          << test::name_of(isa) << " weight " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllTypes, DequantizeBlocks,
                         testing::Values(DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                                         DType::kQ4_K, DType::kQ5_K, DType::kQ6_K),
                         [](const auto& test) { return std::string(traits_of(test.param).name); });

/// All 65,536 values of a 16-bit type, dequantised.
std::vector<float> all_halves(DType dtype) {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> floats(halves.size() - 3);  // a count that ends inside a run
  dequantize_row(dtype, halves.data(), floats.data(), static_cast<int64_t>(floats.size()));
  return floats;
}

double value_of_f16(int bits) {
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  if (exponent == 31) {
    magnitude = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(DequantizeHalves, EveryF16IsExactOnEveryIsa) {
  for (Isa isa : test::runnable_isas()) {
    ScopedIsa scope(isa);
    const std::vector<float> floats = all_halves(DType::kF16);
    for (size_t i = 0; i < floats.size(); ++i) {
      const double expected = value_of_f16(static_cast<int>(i));
      ASSERT_EQ(std::signbit(floats[i]), (i & 0x8000) != 0) << test::name_of(isa) << " " << i;
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(floats[i])) << test::name_of(isa) << " " << i;
      } else {
        ASSERT_EQ(static_cast<double>(floats[i]), expected) << test::name_of(isa) << " " << i;
      }
    }
  }
}

TEST(DequantizeHalves, EveryBf16IsTheUpperHalfOfAnF32) {
  for (Isa isa : test::runnable_isas()) {
    ScopedIsa scope(isa);
    const std::vector<float> floats = all_halves(DType::kBF16);
    for (size_t i = 0; i < floats.size(); ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(floats[i]), static_cast<uint32_t>(i) << 16) << test::name_of(isa);
    }
  }
}

TEST(Dequantize, CopiesF32) {
  Random random(8);
  const std::vector<float> source = random.normals(45);
  for (Isa isa : test::runnable_isas()) {
    ScopedIsa scope(isa);
    std::vector<float> target(source.size());
    dequantize_row(DType::kF32, source.data(), target.data(), 45);
    EXPECT_EQ(target, source);
  }
}

}  // namespace
}  // namespace saccade
