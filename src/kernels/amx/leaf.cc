// Products of bf16 pairs on AMX tiles: 32 rows of x by two panels are four tiles of sums, each step of 32 along k two
// tiles of x, two of weights and four multiplications.
#include <immintrin.h>

#include "kernels/avx512_vnni/vec.h"
#include "kernels/simd/panels.h"

namespace saccade::amx {

struct Vec : avx512_vnni::ByteVec<Vec> {};

constexpr int kTileRows = 2 * kBf16GroupRows;
constexpr int64_t kTileBytes = 1024;  // of x or of a panel: 16 rows of 64 bytes

// Palette 1: all eight tiles 16 rows of 64 bytes. Static, since GCC 12 drops stores to a local that only
// _tile_loadconfig reads.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constinit const TileConfig kTileConfig;

static void begin_tiles() {
  _tile_loadconfig(&kTileConfig);
}

static void end_tiles() {
  _tile_release();
}

// Sums in tiles 0 (rows 0..15, first panel), 1 (second panel), 2 and 3 (rows 16..31).
template <int num_groups, int num_panels>
void multiply(const uint16_t* x, const std::byte* panels, int64_t panel_bytes, int64_t k, float* tile,
              int64_t tile_stride) {
  const auto* first_x = reinterpret_cast<const std::byte*>(x);
  const std::byte* second_x = first_x + 2 * kBf16GroupRows * k;
  const std::byte* second_panel = panels + panel_bytes;
  _tile_zero(0);
  if constexpr (num_panels == 2) _tile_zero(1);
  if constexpr (num_groups == 2) _tile_zero(2);
  if constexpr (num_groups == 2 && num_panels == 2) _tile_zero(3);
  for (int64_t at = 0; at < k / kPanelBlock * kTileBytes; at += kTileBytes) {
    _tile_loadd(4, first_x + at, 64);
    _tile_loadd(6, panels + at, 64);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (num_panels == 2) {
      _tile_loadd(7, second_panel + at, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (num_groups == 2) {
      _tile_loadd(5, second_x + at, 64);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (num_panels == 2) _tile_dpbf16ps(3, 5, 7);
    }
  }
  const auto stride = static_cast<size_t>(4 * tile_stride);
  float* second_rows = tile + kBf16GroupRows * tile_stride;
  _tile_stored(0, tile, stride);
  if constexpr (num_panels == 2) _tile_stored(1, tile + kPanelRows, stride);
  if constexpr (num_groups == 2) _tile_stored(2, second_rows, stride);
  if constexpr (num_groups == 2 && num_panels == 2) _tile_stored(3, second_rows + kPanelRows, stride);
}

template <int num_groups>
void multiply_panels(const Bf16Rows& x, const Bf16Panels& panels, float* tile, int64_t tile_stride) {
  int i = 0;
  for (; i + 2 <= panels.num_panels; i += 2) {
    multiply<num_groups, 2>(x.x, panels.data + i * panels.panel_bytes, panels.panel_bytes, x.k, tile + i * kPanelRows,
                            tile_stride);
  }
  if (i < panels.num_panels) {
    multiply<num_groups, 1>(x.x, panels.data + i * panels.panel_bytes, panels.panel_bytes, x.k, tile + i * kPanelRows,
                            tile_stride);
  }
}

static void bf16_tile(const Bf16Rows& x, const Bf16Panels& panels, float* tile, int64_t tile_stride) {
  x.num_rows > kBf16GroupRows ? multiply_panels<2>(x, panels, tile, tile_stride)
                              : multiply_panels<1>(x, panels, tile, tile_stride);
}

// a[i], b[i] side by side.
static __m512i bf16_pairs(__m512 a, __m512 b) {
  alignas(64) static constexpr uint16_t kInterleave[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                           21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                           11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), (__m512i)_mm512_cvtne2ps_pbh(b, a));
}

template <DType dtype>
void expand_to_bf16(const std::byte* panel, int64_t k, std::byte* target) {
  using Reader = simd::PanelReader<Vec, dtype>;
  Reader reader(panel);
  for (int64_t block = 0; block < k / kPanelBlock; ++block) {
    __m512 scale[2];
    __m512 min = _mm512_setzero_ps();
    reader.scales(0, scale, min);
#pragma GCC unroll 8
    for (int group = 0; group < 8; ++group) {
      const __m512 factor = scale[group * 4 / Reader::kFormat.scale_groups / 4];
      // weight = factor * q - start
      const __m512 start = Reader::kKind.has_min ? min : _mm512_mul_ps(factor, _mm512_set1_ps(Reader::kKind.offset));
      const __m512i q = reader.group(group, 0);
      __m512 values[4];
      for (int i = 0; i < 4; ++i) {
        const __m512i bytes =
            _mm512_and_si512(_mm512_srli_epi32(q, static_cast<unsigned>(8 * i)), _mm512_set1_epi32(255));
        values[i] = _mm512_fmsub_ps(_mm512_cvtepi32_ps(bytes), factor, start);
      }
      _mm512_storeu_si512(target, bf16_pairs(values[0], values[1]));
      _mm512_storeu_si512(target + 64, bf16_pairs(values[2], values[3]));
      target += 128;
    }
    reader.next_block();
  }
}

template <DType dtype>
void fill_dtype(Leaf& leaf) {
  leaf.expand_to_bf16[static_cast<size_t>(dtype)] = expand_to_bf16<dtype>;
}

static double spin_bf16(int64_t count) {
  constexpr double kOps = 4.0 * 2 * 16 * 16 * 32;
  begin_tiles();
  _tile_zero(4);
  _tile_zero(6);
  for (int64_t step = 0; step < count; ++step) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 6);
    _tile_dpbf16ps(2, 4, 6);
    _tile_dpbf16ps(3, 4, 6);
  }
  end_tiles();
  return static_cast<double>(count) * kOps;
}

}  // namespace saccade::amx

namespace saccade {

void add_amx(Leaf& leaf) {
  using namespace amx;  // NOLINT
  leaf.spin[static_cast<size_t>(NumberKind::kBf16)] = spin_bf16;
  leaf.bf16_tile = bf16_tile;
  leaf.bf16_tile_rows = kTileRows;
  leaf.begin_bf16_tiles = begin_tiles;
  leaf.end_bf16_tiles = end_tiles;
  fill_dtype<DType::kQ8_0>(leaf);
  fill_dtype<DType::kQ4_0>(leaf);
  fill_dtype<DType::kQ4_1>(leaf);
  fill_dtype<DType::kQ5_0>(leaf);
  fill_dtype<DType::kQ5_1>(leaf);
  fill_dtype<DType::kQ4_K>(leaf);
  fill_dtype<DType::kQ5_K>(leaf);
  fill_dtype<DType::kQ6_K>(leaf);
}

}  // namespace saccade
