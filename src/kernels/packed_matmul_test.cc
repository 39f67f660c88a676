// The products with packed weights, on every ISA that has them, against the same arithmetic in doubles: x rounded as
// packed_matmul.h says, the weights as the file has them. What remains is f32 summation (matmul_test.cc has the bound).
#include "kernels/packed_matmul.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dequantize.h"
#include "kernels/kernel_test_data.h"
#include "kernels/leaf.h"

namespace saccade {
namespace {

using test::Random;
using test::ScopedIsa;

constexpr float kUntouched = 12345.0f;

bool is_float(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16;
}

std::vector<float> dequantized(DType dtype, const std::vector<std::byte>& bytes, int64_t count) {
  ScopedIsa isa(Isa::kReference);
  std::vector<float> values(static_cast<size_t>(count));
  dequantize_row(dtype, bytes.data(), values.data(), count);
  return values;
}

/// What the product sees of x: 8 bits and a scale for each 32, or bf16.
std::vector<float> rounded_to_bytes(std::vector<float> x) {
  for (size_t block = 0; block + 32 <= x.size(); block += 32) {
    float max = 0;
    for (size_t i = 0; i < 32; ++i) max = std::max(max, std::fabs(x[block + i]));
    const float factor = max > 0 ? 127.0f / max : 0.0f;
    for (size_t i = 0; i < 32; ++i) x[block + i] = std::nearbyint(x[block + i] * factor) * (max / 127.0f);
  }
  return x;
}

std::vector<float> rounded_to_bf16(std::vector<float> x) {
  for (float& value : x) value = bf16_to_f32(f32_to_bf16(value));
  return x;
}

/// A weight in its two forms.
struct Weight {
  Weight(Random& random, ThreadPool& pool, DType dtype_in, int64_t n_in, int64_t k_in)
      : dtype(dtype_in),
        n(n_in),
        k(k_in),
        bytes(random_weights(random, dtype, n * k)),
        values(dequantized(dtype, bytes, n * k)),
        packed(PackedWeights::pack(pool, {dtype, Shape{n, k}, bytes.data()})) {
    if (is_float(dtype)) values = rounded_to_bf16(values);
  }

  DType dtype;
  int64_t n;
  int64_t k;
  std::vector<std::byte> bytes;
  std::vector<float> values;
  PackedWeights packed;
};

/// The exact dot of a rounded row with weight row `col`, and how far an f32 sum may be from it.
struct Dot {
  double value = 0;
  double tolerance = 0;
};

Dot exact_dot(const std::vector<float>& x, const Weight& weight, int64_t col) {
  double dot = 0, x_squares = 0, w_squares = 0;
  for (int64_t i = 0; i < weight.k; ++i) {
    const double a = x[static_cast<size_t>(i)];
    const double b = weight.values[static_cast<size_t>(col * weight.k + i)];
    dot += a * b;
    x_squares += a * a;
    w_squares += b * b;
  }
  // Minimums are summed on their own, and may be larger than the weights they are part of.
  const double spread = weight.packed.format().has_min ? 32 : 8;
  return {dot, spread * 0x1p-24 * std::sqrt(static_cast<double>(weight.k) * x_squares * w_squares) + 1e-30};
}

struct Case {
  DType dtype;
  int64_t m;
  int64_t n;
  int64_t k;
  bool has_bias = false;
  bool accumulate = false;
  int num_threads = 1;
};

bool rounds_to_bf16(DType dtype, int64_t m) {
  return is_float(dtype) || (m > 16 && active_leaf().expand_to_bf16[static_cast<size_t>(dtype)] != nullptr);
}

void check(Random& random, const Case& c) {
  ThreadPool pool(c.num_threads);
  Weight weight(random, pool, c.dtype, c.n, c.k);
  if (rounds_to_bf16(c.dtype, c.m)) weight.values = rounded_to_bf16(weight.values);
  const int64_t x_stride = c.k + 3;
  const int64_t y_stride = c.n + 2;
  const std::vector<float> x = random.normals(c.m * x_stride);
  const std::vector<float> bias = random.normals(c.n);
  const std::vector<float> before = random.normals(c.m * y_stride);
  std::vector<float> y = c.accumulate ? before : std::vector<float>(before.size(), kUntouched);
  const PackedOutput output = {&weight.packed, nullptr,     c.has_bias ? bias.data() : nullptr, {}, y.data(),
                               y_stride,       c.accumulate};
  packed_matmul(pool, x.data(), x_stride, c.m, {&output, 1});
  for (int64_t row = 0; row < c.m; ++row) {
    std::vector<float> x_row(x.begin() + row * x_stride, x.begin() + row * x_stride + c.k);
    x_row = rounds_to_bf16(c.dtype, c.m) ? rounded_to_bf16(x_row) : rounded_to_bytes(x_row);
    for (int64_t col = 0; col < y_stride; ++col) {
      const auto at = static_cast<size_t>(row * y_stride + col);
      if (col >= c.n) {
        ASSERT_EQ(y[at], c.accumulate ? before[at] : kUntouched) << "wrote past column " << c.n;
        continue;
      }
      const Dot dot = exact_dot(x_row, weight, col);
      const double start = (c.has_bias ? static_cast<double>(bias[static_cast<size_t>(col)]) : 0.0) +
                           (c.accumulate ? static_cast<double>(before[at]) : 0.0);
      ASSERT_NEAR(static_cast<double>(y[at]), dot.value + start, dot.tolerance + 4 * 0x1p-24 * std::fabs(start))
          << traits_of(c.dtype).name << " m " << c.m << " n " << c.n << " k " << c.k << " row " << row << " column "
          << col;
    }
  }
}

std::vector<DType> packable() {
  std::vector<DType> dtypes;
  for (int i = 0; i < kNumDTypes; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (PackedWeights::can_pack({dtype, Shape{1, 256}, nullptr})) dtypes.push_back(dtype);
  }
  return dtypes;
}

TEST(PackedMatmul, EveryTypeAndNumberOfRows) {
  for (Isa isa : test::runnable_isas()) {
    SCOPED_TRACE(test::name_of(isa));
    ScopedIsa scope(isa);
    for (DType dtype : packable()) {
      Random random(1);
      const int64_t k = traits_of(dtype).block_size == 256 ? 512 : 96;
      for (int64_t m = 1; m <= 50; m += m < 20 ? 1 : 7) {
        check(random, {.dtype = dtype, .m = m, .n = 37, .k = k, .num_threads = 2});
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(PackedMatmul, RandomShapes) {
  for (Isa isa : test::runnable_isas()) {
    SCOPED_TRACE(test::name_of(isa));
    ScopedIsa scope(isa);
    const std::vector<DType> dtypes = packable();
    Random random(2);
    for (int repeat = 0; repeat < test::num_repeats(100) && !dtypes.empty(); ++repeat) {
      Case c = {dtypes[static_cast<size_t>(random.between(0, static_cast<int64_t>(dtypes.size()) - 1))], 1, 1, 1};
      const int64_t block = is_float(c.dtype) ? 7 : traits_of(c.dtype).block_size;
      c.m = random.between(1, 70);
      c.n = random.between(1, 300);
      c.k = block * random.between(1, std::max<int64_t>(1, 600 / block));
      c.has_bias = random.coin();
      c.accumulate = random.coin();
      c.num_threads = static_cast<int>(random.between(1, 3));
      check(random, c);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(PackedMatmul, SeveralOutputsAndAGate) {
  for (Isa isa : test::runnable_isas()) {
    SCOPED_TRACE(test::name_of(isa));
    ScopedIsa scope(isa);
    const std::vector<DType> dtypes = packable();
    if (dtypes.empty()) continue;
    for (int64_t m : {1, 40}) {
      Random random(3);
      ThreadPool pool(2);
      constexpr int64_t kK = 256;
      const Weight first(random, pool, DType::kQ4_0, 40, kK);
      const Weight second(random, pool, DType::kQ6_K, 24, kK);
      const Weight gate(random, pool, DType::kQ4_0, 40, kK);
      const std::vector<float> x = random.normals(m * kK);
      const std::vector<float> bias = random.normals(24);
      const auto product = [&](const Weight& weight, const float* with_bias, std::optional<Activation> activation) {
        std::vector<float> y(static_cast<size_t>(m * weight.n));
        const PackedOutput output = {&weight.packed, nullptr, with_bias, activation, y.data(), weight.n, false};
        packed_matmul(pool, x.data(), kK, m, {&output, 1});
        return y;
      };
      std::vector<float> gates = product(gate, nullptr, {});
      const std::vector<float> ups = product(first, nullptr, {});
      silu_times(gates.data(), ups.data(), m * 40);
      std::vector<float> activated = product(second, bias.data(), {});
      activate(Activation::kGelu, activated.data(), m * 24);

      std::vector<float> gated_y(static_cast<size_t>(m * 40));
      std::vector<float> second_y(static_cast<size_t>(m * 24));
      const PackedOutput both[] = {
          {&first.packed, &gate.packed, nullptr, {}, gated_y.data(), 40, false},
          {&second.packed, nullptr, bias.data(), Activation::kGelu, second_y.data(), 24, false}};
      packed_matmul(pool, x.data(), kK, m, both);
      for (size_t i = 0; i < gated_y.size(); ++i)
        ASSERT_NEAR(gated_y[i], gates[i], 1e-5f + 1e-5f * std::fabs(gates[i]));
      for (size_t i = 0; i < second_y.size(); ++i) ASSERT_NEAR(second_y[i], activated[i], 1e-5f);
    }
  }
}

TEST(PackedMatmul, UnitsThatNobodyReadsChangeNoOthers) {
  for (Isa isa : test::runnable_isas()) {
    SCOPED_TRACE(test::name_of(isa));
    ScopedIsa scope(isa);
    for (DType dtype : packable()) {
      for (const int64_t m : {1, 5, 40}) {
        Random random(5);
        ThreadPool pool(2);
        constexpr int64_t kN = 8 * 12;  // a unit is no whole number of panels
        const Weight weight(random, pool, dtype, kN, 256);
        const Weight gate(random, pool, dtype, kN, 256);
        const std::vector<float> x = random.normals(m * 256);
        const std::vector<uint8_t> units = {1, 0, 0, 0, 0, 1, 0, 1};
        std::vector<float> whole(static_cast<size_t>(m * kN));
        std::vector<float> partial(whole.size(), kUntouched);
        PackedOutput output = {&weight.packed, &gate.packed, nullptr, {}, whole.data(), kN, false};
        packed_matmul(pool, x.data(), 256, m, {&output, 1});
        output.y = partial.data();
        output.units = units;
        packed_matmul(pool, x.data(), 256, m, {&output, 1});
        for (size_t i = 0; i < whole.size(); ++i) {
          const size_t col = i % kN;
          if (units[col / 12] != 0) ASSERT_EQ(partial[i], whole[i]) << traits_of(dtype).name << " column " << col;
          if (col >= 16 && col < 48) ASSERT_EQ(partial[i], kUntouched) << "two panels of no unit that is read";
        }
      }
    }
  }
}

TEST(PackedMatmul, KeepsWhatIsNotANumber) {
  for (Isa isa : test::runnable_isas()) {
    ScopedIsa scope(isa);
    for (DType dtype : packable()) {
      for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        for (int64_t m : {1, 20}) {
          Random random(4);
          ThreadPool pool(1);
          const Weight weight(random, pool, dtype, 16, 256);
          std::vector<float> x = random.normals(m * 256);
          x[100] = bad;
          std::vector<float> y(static_cast<size_t>(m * 16));
          const PackedOutput output = {&weight.packed, nullptr, nullptr, {}, y.data(), 16, false};
          packed_matmul(pool, x.data(), 256, m, {&output, 1});
          EXPECT_FALSE(std::isfinite(y[3])) << test::name_of(isa) << " " << traits_of(dtype).name;
          if (m > 1) {
            EXPECT_TRUE(std::isfinite(y[16 + 3]));
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace saccade
