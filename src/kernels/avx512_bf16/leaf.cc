// Products of bf16 pairs (vdpbf16ps): each 32-bit lane adds two products in f32.
#include "kernels/leaf.h"

#include <immintrin.h>

#include "kernels/avx512/vec.h"
#include "kernels/panel_format.h"
#include "kernels/simd/limits.h"

namespace saccade {
namespace avx512_bf16 {

struct Vec : avx512::FloatVec<Vec> {};

}  // namespace avx512_bf16

namespace {

using avx512_bf16::Vec;

/// Rows of x by `num_panels` panels, each number of x being used for all of them once it is in a register.
/// `ahead`: bytes by which panels are asked for from memory; 0 where the second-level cache has them.
template <int num_rows, int num_panels, int ahead>
void multiply(const uint16_t* x, const std::byte* panels, int64_t panel_bytes, int64_t k, float* tile,
              int64_t tile_stride) {
  __m512 sums[num_rows][num_panels];
  for (auto& row : sums) {
    for (__m512& sum : row) sum = _mm512_setzero_ps();
  }
  constexpr int64_t kBlockPairs = kPanelBlock / 2;
  for (int64_t block = 0; block < k / kPanelBlock; ++block) {
#pragma GCC unroll 16
    for (int64_t pair = 0; pair < kBlockPairs; ++pair) {
      __m512bh weights[num_panels];
#pragma GCC unroll 4
      for (int i = 0; i < num_panels; ++i) {
        const std::byte* source = panels + i * panel_bytes + 64 * pair;
        weights[i] = (__m512bh)_mm512_loadu_si512(source);
        if constexpr (ahead > 0) _mm_prefetch(reinterpret_cast<const char*>(source + ahead), _MM_HINT_T0);
      }
#pragma GCC unroll 16
      for (int row = 0; row < num_rows; ++row) {
        int32_t two;
        __builtin_memcpy(&two, x + row * kPanelBlock + 2 * pair, sizeof two);
        __m512i twos = _mm512_set1_epi32(two);
        if constexpr (num_panels > 1) asm("" : "+v"(twos));  // else each product would read it again
#pragma GCC unroll 4
        for (int i = 0; i < num_panels; ++i) {
          sums[row][i] = _mm512_dpbf16_ps(sums[row][i], (__m512bh)twos, weights[i]);
        }
      }
    }
    panels += kBlockPairs * 64;
    x += kBf16GroupRows * kPanelBlock;
  }
  for (int row = 0; row < num_rows; ++row) {
    for (int i = 0; i < num_panels; ++i) _mm512_storeu_ps(tile + row * tile_stride + i * kPanelRows, sums[row][i]);
  }
}

template <int max_rows = kBf16GroupRows>
void bf16_dots(const Bf16Rows& x, const Bf16Panels& panels, float* tile, int64_t tile_stride) {
  if constexpr (max_rows > 1) {
    if (x.num_rows < max_rows) return bf16_dots<max_rows - 1>(x, panels, tile, tile_stride);
  }
  reads_ahead_by_software() ? multiply<max_rows, 1, 2048>(x.x, panels.data, panels.panel_bytes, x.k, tile, tile_stride)
                            : multiply<max_rows, 1, 0>(x.x, panels.data, panels.panel_bytes, x.k, tile, tile_stride);
}

void bf16_tile(const Bf16Rows& x, const Bf16Panels& panels, float* tile, int64_t tile_stride) {
  constexpr int kRows = kBf16GroupRows / 2;
  for (int row = 0; row < x.num_rows; row += kRows) {
    const uint16_t* rows = x.x + row * kPanelBlock;
    float* target = tile + row * tile_stride;
    const std::byte* panel = panels.data;
    int left = panels.num_panels;
    for (; left >= 2; left -= 2, panel += 2 * panels.panel_bytes, target += 2 * kPanelRows) {
      multiply<kRows, 2, 0>(rows, panel, panels.panel_bytes, x.k, target, tile_stride);
    }
    if (left > 0) multiply<kRows, 1, 0>(rows, panel, panels.panel_bytes, x.k, target, tile_stride);
  }
}

void round_row(const float* x, int64_t k, int64_t padded_k, int64_t row, uint16_t* rows) {
  uint16_t* target = rows + row / kBf16GroupRows * kBf16GroupRows * padded_k + row % kBf16GroupRows * kPanelBlock;
  for (int64_t i = 0; i < padded_k; i += kPanelBlock, target += kBf16GroupRows * kPanelBlock) {
    for (int half = 0; half < 2; ++half) {
      const int64_t left = k - i - 16 * half;
      const auto lanes = static_cast<__mmask16>(left >= 16 ? 0xffffu : left <= 0 ? 0u : (1u << left) - 1u);
      const __m512 values = _mm512_maskz_loadu_ps(lanes, x + i + 16 * half);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(target + 16 * half), (__m256i)_mm512_cvtneps_pbh(values));
    }
  }
}

__m512i load_bf16_pairs(const float* row, int64_t left) {
  const auto lanes = [](int64_t count) {
    return static_cast<__mmask16>(count >= 16 ? 0xffffu : count <= 0 ? 0u : (1u << count) - 1u);
  };
  const __m512 low = _mm512_maskz_loadu_ps(lanes(left), row);
  const __m512 high = _mm512_maskz_loadu_ps(lanes(left - 16), row + 16);
  return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/// rows[i] = the 32-bit elements i of all.
void transpose_16x16(__m512i* rows) {
  __m512i pairs[16];
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  __m512i fours[16];  // fours[4 j + c]: of rows 4 j .. 4 j + 3, columns c, c + 4, c + 8, c + 12
  for (int i = 0; i < 16; i += 4) {
    fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  for (int col = 0; col < 4; ++col) {
    const __m512i first = _mm512_shuffle_i32x4(fours[col], fours[4 + col], 0x88);       // columns c and c + 8
    const __m512i second = _mm512_shuffle_i32x4(fours[col], fours[4 + col], 0xdd);      // c + 4 and c + 12
    const __m512i third = _mm512_shuffle_i32x4(fours[8 + col], fours[12 + col], 0x88);  // of the other eight rows
    const __m512i fourth = _mm512_shuffle_i32x4(fours[8 + col], fours[12 + col], 0xdd);
    rows[col] = _mm512_shuffle_i32x4(first, third, 0x88);
    rows[col + 8] = _mm512_shuffle_i32x4(first, third, 0xdd);
    rows[col + 4] = _mm512_shuffle_i32x4(second, fourth, 0x88);
    rows[col + 12] = _mm512_shuffle_i32x4(second, fourth, 0xdd);
  }
}

void pack_bf16_rows(const float* rows, int64_t row_stride, int num_rows, int64_t k, int64_t padded_k,
                    std::byte* panel) {
  for (int64_t i = 0; i < padded_k; i += kPanelBlock, panel += 64 * kPanelRows) {
    __m512i block[kPanelRows];
    for (int row = 0; row < kPanelRows; ++row) {
      block[row] = row < num_rows ? load_bf16_pairs(rows + row * row_stride + i, k - i) : _mm512_setzero_si512();
    }
    transpose_16x16(block);
    for (int row = 0; row < kPanelRows; ++row) _mm512_storeu_si512(panel + 64 * row, block[row]);
  }
}

void pack_bf16_columns(const float* rows, int64_t row_stride, int64_t num_rows, int64_t padded_rows, int num_cols,
                       std::byte* panel) {
  alignas(64) static constexpr uint16_t kInterleave[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                           21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                           11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i order = _mm512_load_si512(kInterleave);
  const auto lanes = static_cast<__mmask16>((1u << num_cols) - 1u);
  const auto load = [&](int64_t row) {
    return row < num_rows ? _mm512_maskz_loadu_ps(lanes, rows + row * row_stride) : _mm512_setzero_ps();
  };
  for (int64_t row = 0; row < padded_rows; row += 2, panel += 64) {
    const auto both = (__m512i)_mm512_cvtne2ps_pbh(load(row + 1), load(row));
    _mm512_storeu_si512(panel, _mm512_permutexvar_epi16(order, both));
  }
}

double spin_bf16(int64_t count) {
  __m512i zero = _mm512_setzero_si512();
  Vec::hide(zero);
  return simd::spin<Vec>(count, _mm512_setzero_ps(), 64,
                         [=](__m512 sum) { return _mm512_dpbf16_ps(sum, (__m512bh)zero, (__m512bh)zero); });
}

}  // namespace

void add_avx512_bf16(Leaf& leaf) {
  leaf.spin[static_cast<size_t>(NumberKind::kBf16)] = spin_bf16;
  leaf.round_row = round_row;
  leaf.bf16_dots = bf16_dots<>;
  leaf.bf16_tile = bf16_tile;
  leaf.bf16_tile_rows = kBf16GroupRows;
  leaf.pack_bf16_rows = pack_bf16_rows;
  leaf.pack_bf16_columns = pack_bf16_columns;
}

}  // namespace saccade
