#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/dequantize.h"
#include "kernels/kernel_test_data.h"

namespace saccade {
namespace {

using test::Random;

/// A 16-bit type: its conversions, and the f32 bits that one of its values stands for.
struct HalfType {
  uint16_t (*from_f32)(float);
  float (*to_f32)(uint16_t);
  uint16_t infinity;
};
constexpr HalfType kF16 = {f32_to_f16, f16_to_f32, 0x7c00};
constexpr HalfType kBf16 = {f32_to_bf16, bf16_to_f32, 0x7f80};

/// Every value comes back, and every NaN as a NaN of the same sign.
void expect_round_trips(const HalfType& type) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto half = static_cast<uint16_t>(i);
    const uint16_t back = type.from_f32(type.to_f32(half));
    if ((half & 0x7fff) > type.infinity) {
      ASSERT_GT(back & 0x7fff, type.infinity) << i;
      ASSERT_EQ(back & 0x8000, half & 0x8000) << i;
    } else {
      ASSERT_EQ(back, half);
    }
  }
}

/// Between each two neighbours: below, at and above the middle. The largest finite value's upper neighbour is infinity,
/// whose place is one more step up.
void expect_rounds_to_nearest_even(const HalfType& type) {
  for (uint16_t low = 0; low < type.infinity; ++low) {
    const auto high = static_cast<uint16_t>(low + 1);
    const double low_value = static_cast<double>(type.to_f32(low));
    const double step = high == type.infinity
                            ? low_value - static_cast<double>(type.to_f32(static_cast<uint16_t>(low - 1)))
                            : static_cast<double>(type.to_f32(high)) - low_value;
    const auto middle = static_cast<float>(low_value + step / 2);
    ASSERT_EQ(type.from_f32(middle), low % 2 == 0 ? low : high) << low;
    ASSERT_EQ(type.from_f32(-middle), 0x8000 | (low % 2 == 0 ? low : high)) << low;
    if (low == 0 && middle == 0) continue;
    ASSERT_EQ(type.from_f32(std::nextafter(middle, 0.0f)), low) << low;
    ASSERT_EQ(type.from_f32(std::nextafter(middle, std::numeric_limits<float>::infinity())), high) << low;
  }
}

TEST(Half, F16RoundTrips) {
  expect_round_trips(kF16);
}
TEST(Half, F16RoundsToNearestEven) {
  expect_rounds_to_nearest_even(kF16);
}
TEST(Half, Bf16RoundTrips) {
  expect_round_trips(kBf16);
}
TEST(Half, Bf16RoundsToNearestEven) {
  expect_rounds_to_nearest_even(kBf16);
}

TEST(Half, OverflowsToInfinity) {
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(f32_to_f16(1e30f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
}

std::vector<float> there_and_back(DType dtype, const std::vector<float>& source) {
  const auto count = static_cast<int64_t>(source.size());
  std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(dtype, count)));
  quantize_row(dtype, source.data(), bytes.data(), count);
  std::vector<float> result(source.size());
  dequantize_row(dtype, bytes.data(), result.data(), count);
  return result;
}

/// Errors of at most `steps` of the block's step, largest / levels, plus the f16 rounding of the scale (2^-11
/// relative).
void expect_error_within(DType dtype, float levels, float steps) {
  Random random(9);
  const std::vector<float> source = random.normals(32 * 200);
  const std::vector<float> result = there_and_back(dtype, source);
  for (size_t block = 0; block < source.size(); block += 32) {
    float largest = 0;
    for (size_t i = block; i < block + 32; ++i) largest = std::max(largest, std::fabs(source[i]));
    const float bound = largest / levels * steps + largest * 0x1p-11f + 1e-6f * largest;
    for (size_t i = block; i < block + 32; ++i) ASSERT_LE(std::fabs(source[i] - result[i]), bound) << i;
  }
}

TEST(Quantize, Q8_0ErrsByHalfAStep) {
  expect_error_within(DType::kQ8_0, 127, 0.5f);
}

// The value opposite in sign to the largest can need +8 where 4 bits end at +7: one whole step.
TEST(Quantize, Q4_0ErrsByAtMostAStep) {
  expect_error_within(DType::kQ4_0, 8, 1);
}

TEST(Quantize, Q4_0MapsTheLargestToMinusEight) {
  std::vector<float> source(32, 0.25f);
  source[3] = 2.0f;
  std::vector<std::byte> bytes(18);
  quantize_row(DType::kQ4_0, source.data(), bytes.data(), 32);
  EXPECT_EQ(std::to_integer<int>(bytes[2 + 3]) & 15, 0);  // stored with +8
  EXPECT_EQ(std::to_integer<int>(bytes[2]), 0x77);        // 0.25 = -1 * -0.25
  EXPECT_EQ(there_and_back(DType::kQ4_0, source), source);
}

TEST(Quantize, WritesOnlyTheTypesItSays) {
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0}) {
    EXPECT_TRUE(can_quantize_to(dtype));
    EXPECT_EQ(there_and_back(dtype, std::vector<float>(64, 0.0f)), std::vector<float>(64, 0.0f));
  }
  EXPECT_FALSE(can_quantize_to(DType::kQ6_K));
}

TEST(Quantize, SurvivesWeightsThatAreNoNumbers) {
  for (float odd : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 1e-45f}) {
    std::vector<float> source(32, 1.0f);
    source[5] = odd;
    for (DType dtype : {DType::kQ8_0, DType::kQ4_0}) {
      EXPECT_EQ(there_and_back(dtype, source).size(), 32u);  // under the sanitizers: no undefined conversion
      EXPECT_EQ(there_and_back(dtype, std::vector<float>(32, odd)).size(), 32u);
    }
  }
}

}  // namespace
}  // namespace saccade
