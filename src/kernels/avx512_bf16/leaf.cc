// Products of bf16 pairs (vdpbf16ps): each 32-bit lane adds two products in f32.
#include <immintrin.h>

#include "kernels/leaf.h"
#include "kernels/panel_format.h"

namespace saccade {
namespace {

template <int num_rows>
void multiply(const uint16_t* x, const std::byte* panel, int64_t k, float* tile) {
  __m512 sums[num_rows];
  for (int row = 0; row < num_rows; ++row) sums[row] = _mm512_setzero_ps();
  constexpr int64_t kBlockPairs = kPanelBlock / 2;
  for (int64_t block = 0; block < k / kPanelBlock; ++block) {
    _mm_prefetch(reinterpret_cast<const char*>(panel + 4096), _MM_HINT_T0);
#pragma GCC unroll 16
    for (int64_t pair = 0; pair < kBlockPairs; ++pair) {
      const auto weights = (__m512bh)_mm512_loadu_si512(panel + 64 * pair);
      if (pair % 2 == 0) _mm_prefetch(reinterpret_cast<const char*>(panel + 2048 + 64 * pair), _MM_HINT_T0);
#pragma GCC unroll 16
      for (int row = 0; row < num_rows; ++row) {
        int32_t two;
        __builtin_memcpy(&two, x + row * kPanelBlock + 2 * pair, sizeof two);
        sums[row] = _mm512_dpbf16_ps(sums[row], (__m512bh)_mm512_set1_epi32(two), weights);
      }
    }
    panel += kBlockPairs * 64;
    x += kBf16GroupRows * kPanelBlock;
  }
  for (int row = 0; row < num_rows; ++row) _mm512_storeu_ps(tile + row * kPanelRows, sums[row]);
}

template <int max_rows = kBf16GroupRows>
void bf16_tile(const uint16_t* x, int num_rows, const std::byte* panels, int64_t panel_bytes, int num_panels, int64_t k,
               float* tile) {
  if constexpr (max_rows > 1) {
    if (num_rows < max_rows) return bf16_tile<max_rows - 1>(x, num_rows, panels, panel_bytes, num_panels, k, tile);
  }
  multiply<max_rows>(x, panels, k, tile);
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

double spin_bf16(int64_t count) {
  constexpr int kSums = 12;
  constexpr double kOps = 64;
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  const auto zero = (__m512bh)_mm512_setzero_si512();
  for (int64_t step = 0; step < count; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], zero, zero);
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) asm volatile("" : "+x"(sums[i]));
  }
  return static_cast<double>(count) * kSums * kOps;
}

}  // namespace

void add_avx512_bf16(Leaf& leaf) {
  leaf.spin[static_cast<size_t>(NumberKind::kBf16)] = spin_bf16;
  leaf.round_row = round_row;
  leaf.bf16_dots = bf16_tile<>;
  leaf.bf16_tile = bf16_tile<>;
  leaf.bf16_tile_rows = kBf16GroupRows;
  leaf.bf16_tile_panels = 1;
}

}  // namespace saccade
