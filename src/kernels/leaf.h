// What one instruction set does its own way. The algorithms above it (matmul.cc, attention.cc, ...) are shared.
//
// A new instruction set is one folder with one function that writes what it does better into a copy of the Leaf below
// it, an enumerator in isa.h, a row in isa.cc, and a few lines in CMakeLists.txt.
//
// Sources of a leaf are compiled for its instruction set, so what the linker could share with the rest of the program
// (inline functions, std templates, constructors) must not be emitted there: leaves use only their own templates, and
// assign to a Leaf that someone else constructed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/activation.h"
#include "tensor/dtype.h"

namespace saccade {

/// Rows that a Leaf's dot_rows takes at once.
inline constexpr int kMaxDotRows = 4;

/// The largest Leaf::tile_rows and Leaf::tile_cols.
inline constexpr int kMaxTileRows = 16;
inline constexpr int kMaxTileCols = 32;

/// Rows of x that dot_panel and bf16_dots take at once, and the most that u8_tile and bf16_tile do.
inline constexpr int kMaxPanelDotRows = 8;
inline constexpr int kMaxPanelTileRows = 32;

/// Rows of x as signed bytes: in each block of 32 (kPanelBlock), x = scale * q, |q| <= 127. Four rows lie together, so
/// that a tile's rows are at fixed distances.
inline constexpr int kQuadRows = 4;
struct QuantizedRows {
  int8_t* q = nullptr;           // [num_quads, num_blocks, 4, 32]
  float* scales = nullptr;       // [num_quads, num_blocks, 4]
  float* scaled_sums = nullptr;  // the same: scale * the sum of q
  int32_t* sums = nullptr;       // the same: -128 * the sum of q
  int32_t* half_sums = nullptr;  // [num_quads, num_blocks, 2, 4]: -128 * the sums of 16 q each
  int64_t num_blocks = 0;
};

/// Rows of x as bf16, sixteen lying together as a tile of AMX: [num_rows / 16, k / 32, 16, 32].
inline constexpr int kBf16GroupRows = 16;
struct Bf16Rows {
  const uint16_t* x = nullptr;  // where a group begins
  int64_t k = 0;                // a multiple of 32
  int num_rows = 0;
};

/// Panels of bf16 pairs (panel_format.h), `panel_bytes` apart, of the same k as the rows or more.
struct Bf16Panels {
  const std::byte* data = nullptr;
  int64_t panel_bytes = 0;
  int num_panels = 0;
};

/// A tile of products, [num_rows, num_cols] with rows `tile_stride` floats apart, and what becomes of it:
/// y = activation(tile + bias), or silu(gate) * tile; added to y where `accumulate` says so.
struct TileOutput {
  const float* tile = nullptr;
  const float* gate = nullptr;  // laid like the tile, or null
  int64_t tile_stride = 0;
  int64_t num_rows = 0;
  int64_t num_cols = 0;
  const float* bias = nullptr;             // [num_cols] or null
  const Activation* activation = nullptr;  // or null
  float* y = nullptr;                      // rows `y_stride` floats apart
  int64_t y_stride = 0;
  bool accumulate = false;
};

/// What multiplications take: the same kinds of number on both sides, sums in f32 or int32.
enum class NumberKind : uint8_t { kF32, kBf16, kInt8 };
inline constexpr int kNumNumberKinds = 3;

struct Leaf {
  // --- the machine's limits (machine_limits.h) -----------------------------------------------------------------------
  /// Multiplies registers `count` times over, and returns how many operations (two for a multiply-add) that were; by
  /// NumberKind, null where the ISA has no instruction for it.
  using Spin = double (*)(int64_t count);
  Spin spin[kNumNumberKinds] = {};
  /// Reads `num_bytes`, a multiple of 256, as fast as memory gives them. What it returns depends on all of them.
  uint64_t (*read_stream)(const std::byte* data, int64_t num_bytes) = nullptr;

  // --- matrix products -----------------------------------------------------------------------------------------------
  int tile_rows = 0;  // rows of x that gemm_tile takes at most
  int tile_cols = 0;  // columns of y that it writes: the width of a panel

  /// y[0:num_rows, 0:tile_cols] += x[0:num_rows, 0:k] * panel[0:k, 0:tile_cols], num_rows in [1, tile_rows].
  void (*gemm_tile)(int num_rows, const float* x, int64_t x_stride, const float* panel, int64_t k, float* y,
                    int64_t y_stride) = nullptr;

  /// panel[0:k, 0:tile_cols] = transpose of rows[0:num_rows, 0:k]; columns from num_rows on become 0.
  void (*pack_panel)(const float* rows, int64_t row_stride, int num_rows, int64_t k, float* panel) = nullptr;

  /// Rows of blocks to f32, by DType. `count` is a multiple of the block size.
  using Dequantize = void (*)(const std::byte* source, float* target, int64_t count);
  Dequantize dequantize[kNumDTypes] = {};

  /// out[i] = dot(row, x[i, 0:k]) for i in [0, num_rows), num_rows in [1, kMaxDotRows]; by DType, null where there is
  /// nothing better than dequantising the row first. That of kF32 is never null.
  using DotRows = void (*)(const std::byte* row, const float* x, int64_t x_stride, int num_rows, int64_t k, float* out);
  DotRows dot_rows[kNumDTypes] = {};

  // --- products with packed weights (panel_format.h); null where the ISA has nothing faster than the above -----------
  // Each writes y = x * panel^T for some rows of x to `tile`, [num_rows, 16] floats.

  /// Writes row `row` of `rows`: x [32 * num_blocks]. A row with a NaN or an infinity gets a NaN scale.
  void (*quantize_row)(const float* x, int64_t row, const QuantizedRows& rows) = nullptr;
  /// Writes row `row` of bf16 rows: x [k], zeros behind it up to `padded_k`, a multiple of 32.
  void (*round_row)(const float* x, int64_t k, int64_t padded_k, int64_t row, uint16_t* rows) = nullptr;

  /// A few rows, num_rows in [1, kMaxPanelDotRows], weights decoded in registers; by DType. `first_row` is a multiple
  /// of 4, here and below.
  using DotPanel = void (*)(const QuantizedRows& x, int64_t first_row, int num_rows, const std::byte* panel, int64_t k,
                            float* tile);
  DotPanel dot_panel[kNumDTypes] = {};
  /// Many rows: a panel is expanded to bytes [k / 4, 16, 4] with f32 scales [k / 32, 16] (Q6_K: [k / 16, 16]) and
  /// minimums [k / 32, 16] once, and tiles of at most u8_tile_rows are multiplied with that.
  using ExpandPanel = void (*)(const std::byte* panel, int64_t k, uint8_t* bytes, float* scales, float* mins);
  ExpandPanel expand_panel[kNumDTypes] = {};
  using U8Tile = void (*)(const QuantizedRows& x, int64_t first_row, int num_rows, const uint8_t* bytes,
                          const float* scales, const float* mins, int64_t k, float* tile);
  U8Tile u8_tile[kNumDTypes] = {};
  int u8_tile_rows = 0;

  /// tile [num_rows, 16 * num_panels] = x * panels^T, rows `tile_stride` floats apart. bf16_dots: at most 16 rows, one
  /// panel. bf16_tile: at most bf16_tile_rows; it may read as many of x, and write as many of the tile.
  using Bf16Tile = void (*)(const Bf16Rows& x, const Bf16Panels& panels, float* tile, int64_t tile_stride);
  Bf16Tile bf16_dots = nullptr;
  Bf16Tile bf16_tile = nullptr;
  int bf16_tile_rows = 0;
  /// Quantised panels to bf16 pairs, where bf16_tile is faster than u8_tile; by DType.
  using ExpandToBf16 = void (*)(const std::byte* panel, int64_t k, std::byte* bf16_panel);
  ExpandToBf16 expand_to_bf16[kNumDTypes] = {};
  /// Called by a thread before its first and after its last bf16_tile of a product; may be null.
  void (*begin_bf16_tiles)() = nullptr;
  void (*end_bf16_tiles)() = nullptr;

  void (*finish_tile)(const TileOutput& output) = nullptr;

  /// Floats to such panels: rows [num_rows, k] to one panel (num_rows <= 16; rows from there on and k up to `padded_k`
  /// become 0), and rows [num_rows, 16] to one panel of their transpose (k = num_rows up to `padded_rows`); the first
  /// `num_cols` <= 16 of the latter are there, the others become 0.
  void (*pack_bf16_rows)(const float* rows, int64_t row_stride, int num_rows, int64_t k, int64_t padded_k,
                         std::byte* panel) = nullptr;
  void (*pack_bf16_columns)(const float* rows, int64_t row_stride, int64_t num_rows, int64_t padded_rows, int num_cols,
                            std::byte* panel) = nullptr;

  // --- rows of keys and values ---------------------------------------------------------------------------------------
  /// Rounds a row to the type; by DType, null for those that keys and values are not kept in.
  using Encode = void (*)(const float* source, std::byte* target, int64_t count);
  Encode encode[kNumDTypes] = {};
  /// out[i * out_stride + j] = dot(row j, x[i, 0:k]), rows `row_stride` bytes apart; for the same types as `encode`.
  /// The same bits whatever the number of rows and of x.
  using DotAll = void (*)(const std::byte* rows, int64_t row_stride, int64_t num_rows, const float* x, int64_t x_stride,
                          int64_t num_x, int64_t k, float* out, int64_t out_stride);
  DotAll dot_all[kNumDTypes] = {};
  /// sum[0:count] += the rows' weighted sum, rows `row_stride` bytes apart; for the same types as `encode`.
  using AddRows = void (*)(const std::byte* rows, int64_t row_stride, int64_t num_rows, const float* weights,
                           float* sum, int64_t count);
  AddRows add_rows[kNumDTypes] = {};

  // --- vectors -------------------------------------------------------------------------------------------------------
  /// y += a * x
  void (*add_scaled)(float a, const float* x, float* y, int64_t count) = nullptr;
  /// x *= a
  void (*scale)(float a, float* x, int64_t count) = nullptr;
  /// The largest, or -infinity for none.
  float (*max)(const float* x, int64_t count) = nullptr;
  /// x = exp(x - shift), and returns their sum. -infinity becomes 0.
  float (*exp_sum)(float* x, float shift, int64_t count) = nullptr;
  /// Sum of (x - shift)^2, or of (x - shift): the moments of the norms.
  float (*sum_squares)(const float* x, float shift, int64_t count) = nullptr;
  float (*sum)(const float* x, int64_t count) = nullptr;
  /// y = (x - shift) * scale * weight + bias; `bias` may be null.
  void (*normalize)(const float* x, float shift, float scale, const float* weight, const float* bias, float* y,
                    int64_t count) = nullptr;
  /// In place, as activation.h defines them.
  void (*activate)(Activation activation, float* x, int64_t count) = nullptr;
  void (*silu_times)(float* gate, const float* up, int64_t count) = nullptr;
  /// (a[i], b[i]) = (a[i] * cosine[i] - b[i] * sine[i], a[i] * sine[i] + b[i] * cosine[i])
  void (*rotate)(float* a, float* b, const float* cosine, const float* sine, int64_t count) = nullptr;
  /// The same for a[i] = pairs[2 i], b[i] = pairs[2 i + 1].
  void (*rotate_pairs)(float* pairs, const float* cosine, const float* sine, int64_t count) = nullptr;
};

/// The leaf of the active ISA. Asserts that active_isa() has no error.
const Leaf& active_leaf();

const Leaf& reference_leaf();

/// Whether streams from memory are faster where the program asks for what comes next: the hardware of AMD's cores looks
/// ahead far enough, and asking as well slows it (docs/decisions/packed_weights.md).
bool reads_ahead_by_software();

/// Each adds to the Leaf of the ISA that it builds on (isa.cc); null in a build for another architecture.
using AddToLeaf = void (*)(Leaf& leaf);
// NOLINTBEGIN(readability-identifier-naming): constants in place of functions
#if defined(SACCADE_X86_LEAVES)
void add_avx2(Leaf& leaf);
void add_avx2_vnni(Leaf& leaf);
void add_avx512(Leaf& leaf);
void add_avx512_vnni(Leaf& leaf);
void add_avx512_bf16(Leaf& leaf);
void add_amx(Leaf& leaf);
#else
inline constexpr AddToLeaf add_avx2 = nullptr, add_avx2_vnni = nullptr, add_avx512 = nullptr, add_avx512_vnni = nullptr,
                           add_avx512_bf16 = nullptr, add_amx = nullptr;
#endif
#if defined(SACCADE_ARM_LEAVES)
void add_neon(Leaf& leaf);
void add_neon_dot(Leaf& leaf);
#else
inline constexpr AddToLeaf add_neon = nullptr, add_neon_dot = nullptr;
#endif
// NOLINTEND(readability-identifier-naming)

}  // namespace saccade
