// Every ISA against doubles. In f32 the error of a sum of k products is a few roundings and sqrt(k) / 4 more, of the
// size of the rows' norms; bf16 rounds each factor by at most 2^-9 of itself, at random: 2^-8 of the norms is never
// reached.
#include "kernels/gram.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/kernel_test_data.h"

namespace saccade {
namespace {

using test::Random;
using test::ScopedIsa;

double dot(const float* a, const float* b, int64_t k) {
  double sum = 0;
  for (int64_t i = 0; i < k; ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

TEST(Gram, MatchesDoublesOnEveryIsa) {
  ThreadPool pool(2);
  for (const Isa isa : test::runnable_isas()) {
    ScopedIsa scope(isa);
    Random random(3);
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{1, 1}, {5, 3}, {16, 32}, {17, 33}, {49, 24}, {70, 300}}) {
      SCOPED_TRACE(test::name_of(isa) + " " + std::to_string(n) + " x " + std::to_string(k));
      const int64_t row_stride = k + 3;
      const int64_t out_stride = n + 2;
      const std::vector<float> rows = random.normals(n * row_stride);
      for (const bool allows_bf16 : {false, true}) {
        std::vector<float> out(static_cast<size_t>(n * out_stride), -7.0f);
        gram(pool, {rows.data(), row_stride, n, k, out.data(), out_stride, allows_bf16});
        const double unit = allows_bf16 ? 0x1p-8 : 0x1p-24 * (8 + std::sqrt(static_cast<double>(k)) / 4);
        for (int64_t i = 0; i < n; ++i) {
          const float* a = rows.data() + i * row_stride;
          for (int64_t j = 0; j < n; ++j) {
            const float* b = rows.data() + j * row_stride;
            const double norms = std::sqrt(dot(a, a, k) * dot(b, b, k));
            const float value = out[static_cast<size_t>(i * out_stride + j)];
            ASSERT_NEAR(double{value}, dot(a, b, k), unit * norms);
            ASSERT_EQ(value, out[static_cast<size_t>(j * out_stride + i)]);
          }
          for (int64_t j = n; j < out_stride; ++j) ASSERT_EQ(out[static_cast<size_t>(i * out_stride + j)], -7.0f);
        }
      }
    }
  }
}

TEST(Gram, TheNumberOfThreadsChangesNothingAndEqualRowsAreEqual) {
  ThreadPool one(1);
  ThreadPool three(3);
  constexpr int64_t kNum = 130, kWidth = 512;
  for (const Isa isa : test::runnable_isas()) {
    SCOPED_TRACE(test::name_of(isa));
    ScopedIsa scope(isa);
    std::vector<float> rows = Random(5).normals(kNum * kWidth);
    std::copy_n(rows.begin() + 7 * kWidth, kWidth, rows.begin() + 101 * kWidth);
    std::vector<float> alone(kNum * kNum), together(kNum * kNum);
    gram(one, {rows.data(), kWidth, kNum, kWidth, alone.data(), kNum, true});
    gram(three, {rows.data(), kWidth, kNum, kWidth, together.data(), kNum, true});
    EXPECT_EQ(alone, together);
    EXPECT_EQ(alone[7 * kNum + 7], alone[7 * kNum + 101]);
    for (size_t i = 0; i < kNum; ++i) EXPECT_EQ(alone[7 * kNum + i], alone[101 * kNum + i]) << i;
  }
}

}  // namespace
}  // namespace saccade
