// Every ISA against doubles. In f32 the error of a sum of k products is a few roundings and sqrt(k) / 4 more, of the
// size of the rows' norms; bf16 rounds each factor by at most 2^-9 of itself, at random: 2^-8 of the norms is never
// reached.
#include "kernels/gram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/kernel_test_data.h"
#include "kernels/leaf.h"
#include "kernels/panel_format.h"

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

// Products of bf16 in plain C++, in the forms that leaf.h describes. The tile reads and writes all rows that it may.
constexpr int kPlainTileRows = 32;

void plain_round_row(const float* x, int64_t k, int64_t padded_k, int64_t row, uint16_t* rows) {
  uint16_t* group = rows + row / kBf16GroupRows * kBf16GroupRows * padded_k;
  for (int64_t i = 0; i < padded_k; ++i) {
    const int64_t block = i / kPanelBlock;
    group[(block * kBf16GroupRows + row % kBf16GroupRows) * kPanelBlock + i % kPanelBlock] =
        i < k ? f32_to_bf16(x[i]) : uint16_t{0};
  }
}

void plain_pack_rows(const float* rows, int64_t row_stride, int num_rows, int64_t k, int64_t padded_k,
                     std::byte* panel) {
  for (int64_t i = 0; i < padded_k; ++i) {
    for (int64_t row = 0; row < kPanelRows; ++row) {
      const uint16_t value = row < num_rows && i < k ? f32_to_bf16(rows[row * row_stride + i]) : uint16_t{0};
      std::memcpy(panel + ((i / 2 * kPanelRows + row) * 2 + i % 2) * 2, &value, sizeof value);
    }
  }
}

void plain_tile(const Bf16Rows& x, const Bf16Panels& panels, float* tile, int64_t tile_stride) {
  for (int64_t row = 0; row < kPlainTileRows; ++row) {
    const uint16_t* group = x.x + row / kBf16GroupRows * kBf16GroupRows * x.k;
    for (int64_t col = 0; col < panels.num_panels * kPanelRows; ++col) {
      const std::byte* panel = panels.data + col / kPanelRows * panels.panel_bytes;
      float sum = 0;
      for (int64_t i = 0; i < x.k; ++i) {
        uint16_t value;
        std::memcpy(&value, panel + ((i / 2 * kPanelRows + col % kPanelRows) * 2 + i % 2) * 2, sizeof value);
        const int64_t at = (i / kPanelBlock * kBf16GroupRows + row % kBf16GroupRows) * kPanelBlock + i % kPanelBlock;
        sum += bf16_to_f32(group[at]) * bf16_to_f32(value);
      }
      tile[row * tile_stride + col] = sum;
    }
  }
}

TEST(Gram, Bf16TilesOfAnyLeaf) {
  Leaf leaf = reference_leaf();
  leaf.round_row = plain_round_row;
  leaf.pack_bf16_rows = plain_pack_rows;
  leaf.bf16_tile = plain_tile;
  leaf.bf16_tile_rows = kPlainTileRows;
  leaf.begin_bf16_tiles = leaf.end_bf16_tiles = nullptr;
  for (const int num_threads : {1, 3}) {
    ThreadPool pool(num_threads);
    Random random(9);
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{1, 1}, {16, 32}, {49, 24}, {81, 40}, {130, 70}}) {
      SCOPED_TRACE(std::to_string(n) + " x " + std::to_string(k));
      std::vector<float> rows = random.normals(n * k);
      for (float& value : rows) value = bf16_to_f32(f32_to_bf16(value));
      std::vector<float> out(static_cast<size_t>(n * n));
      gram(pool, leaf, {rows.data(), k, n, k, out.data(), n, true});
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          const double expected = dot(rows.data() + i * k, rows.data() + j * k, k);
          ASSERT_NEAR(double{out[static_cast<size_t>(i * n + j)]}, expected, 1e-4) << i << " " << j;
        }
      }
    }
  }
}

}  // namespace
}  // namespace saccade
