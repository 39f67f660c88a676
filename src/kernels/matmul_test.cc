// Tolerances: an f32 sum of k products in any order differs from the exact one by at most k u |x| |w|, with u = 2^-24
// and the norms of the two rows (Higham, Accuracy and Stability, 3.1, and Cauchy-Schwarz). Vector units sum in lanes
// and random errors cancel, so 8 u sqrt(k) |x| |w| is what holds in practice; a wrong product is off by |x| |w| /
// sqrt(k).
#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/dequantize.h"
#include "kernels/kernel_test_data.h"

namespace saccade {
namespace {

using test::Random;
using test::ScopedIsa;

struct Case {
  DType dtype = DType::kF32;
  int64_t m = 1;
  int64_t n = 1;
  int64_t k = 32;
  int64_t x_padding = 0;
  int64_t y_padding = 0;
  bool has_bias = false;
  bool accumulate = false;
  int num_threads = 1;

  std::string to_string() const {
    return std::string(traits_of(dtype).name) + " m " + std::to_string(m) + " n " + std::to_string(n) + " k " +
           std::to_string(k) + (has_bias ? " bias" : "") + (accumulate ? " accumulate" : "");
  }
};

constexpr float kUntouched = 12345.0f;

std::vector<float> dequantized(DType dtype, const std::vector<std::byte>& bytes, int64_t count) {
  ScopedIsa isa(Isa::kReference);
  std::vector<float> values(static_cast<size_t>(count));
  dequantize_row(dtype, bytes.data(), values.data(), count);
  return values;
}

struct Exact {
  double value;
  double tolerance;
};

Exact exact_dot(const float* x, const float* w, int64_t k, double start) {
  double dot = 0, x_squares = 0, w_squares = 0;
  for (int64_t i = 0; i < k; ++i) {
    dot += static_cast<double>(x[i]) * static_cast<double>(w[i]);
    x_squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    w_squares += static_cast<double>(w[i]) * static_cast<double>(w[i]);
  }
  const double scale = std::sqrt(static_cast<double>(k) * x_squares * w_squares) + 2 * std::fabs(start);
  return {dot + start, 8 * 0x1p-24 * scale};
}

void check(Random& random, const Case& c) {
  const int64_t x_stride = c.k + c.x_padding;
  const int64_t y_stride = c.n + c.y_padding;
  const std::vector<float> x = random.normals(c.m * x_stride);
  const std::vector<std::byte> weight = random_weights(random, c.dtype, c.n * c.k);
  const std::vector<float> w = dequantized(c.dtype, weight, c.n * c.k);
  const std::vector<float> bias = random.normals(c.n);
  const std::vector<float> before = random.normals(c.m * y_stride);
  ThreadPool pool(c.num_threads);
  for (Isa isa : test::runnable_isas()) {
    SCOPED_TRACE(test::name_of(isa) + " " + c.to_string());
    ScopedIsa scope(isa);
    std::vector<float> y(before.size(), kUntouched);
    for (int64_t i = 0; c.accumulate && i < c.m * y_stride; ++i) {
      if (i % y_stride < c.n) y[static_cast<size_t>(i)] = before[static_cast<size_t>(i)];
    }
    MatmulArgs args;
    args.x = x.data();
    args.x_stride = x_stride;
    args.weight = {c.dtype, Shape{c.n, c.k}, weight.data()};
    args.bias = c.has_bias ? bias.data() : nullptr;
    args.y = y.data();
    args.y_stride = y_stride;
    args.m = c.m;
    args.accumulate = c.accumulate;
    matmul(pool, args);
    for (int64_t row = 0; row < c.m; ++row) {
      for (int64_t col = 0; col < y_stride; ++col) {
        const auto at = static_cast<size_t>(row * y_stride + col);
        if (col >= c.n) {
          ASSERT_EQ(y[at], kUntouched) << "wrote past column " << c.n;
          continue;
        }
        const double start = (c.has_bias ? static_cast<double>(bias[static_cast<size_t>(col)]) : 0.0) +
                             (c.accumulate ? static_cast<double>(before[at]) : 0.0);
        const Exact exact =
            exact_dot(&x[static_cast<size_t>(row * x_stride)], &w[static_cast<size_t>(col * c.k)], c.k, start);
        ASSERT_NEAR(static_cast<double>(y[at]), exact.value, exact.tolerance) << "row " << row << " column " << col;
      }
    }
  }
}

TEST(Matmul, MatchesDoublesAtEveryDType) {
  Random random(1);
  for (int i = 0; i < kNumDTypes; ++i) {
    const auto dtype = static_cast<DType>(i);
    const int64_t k = traits_of(dtype).block_size == 256 ? 768 : 544;  // more than one k-block of a panel
    for (int64_t m : {1, 3, 4, 5, 13}) check(random, {.dtype = dtype, .m = m, .n = 37, .k = k, .num_threads = 2});
  }
}

TEST(Matmul, RandomShapesOnEveryIsa) {
  Random random(2);
  for (int repeat = 0; repeat < test::num_repeats(150); ++repeat) {
    Case c;
    c.dtype = static_cast<DType>(random.between(0, kNumDTypes - 1));
    const int64_t block = traits_of(c.dtype).block_size;
    c.m = random.between(1, 40);
    c.n = random.between(1, 80);
    c.k = block * random.between(1, std::max<int64_t>(1, 600 / block));
    c.x_padding = random.between(0, 3);
    c.y_padding = random.between(0, 3);
    c.has_bias = random.coin();
    c.accumulate = random.coin();
    c.num_threads = static_cast<int>(random.between(1, 3));
    check(random, c);
    if (HasFatalFailure()) return;
  }
}

TEST(Matmul, SharesAPanelBetweenGroupsOfRows) {
  Random random(3);
  check(random, {.m = 333, .n = 5, .k = 40, .num_threads = 4});
}

TEST(Matmul, DoesNotDependOnTheNumberOfThreads) {
  Random random(4);
  const std::vector<float> x = random.normals(200 * 96);
  const std::vector<std::byte> weight = random_weights(random, DType::kQ4_0, 50 * 96);
  const auto product = [&](int num_threads) {
    ThreadPool pool(num_threads);
    std::vector<float> y(200 * 50);
    matmul(pool, {.x = x.data(),
                  .x_stride = 96,
                  .weight = {DType::kQ4_0, Shape{50, 96}, weight.data()},
                  .y = y.data(),
                  .y_stride = 50,
                  .m = 200});
    return y;
  };
  EXPECT_EQ(product(1), product(3));
}

TEST(Matmul, DoesNothingForNoRows) {
  ThreadPool pool(1);
  matmul(pool, {.weight = {DType::kF32, Shape{4, 8}, nullptr}});
}

}  // namespace
}  // namespace saccade
