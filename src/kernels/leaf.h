// What one instruction set does its own way. The algorithms above it (matmul.cc, attention.cc, ...) are shared.
//
// A new instruction set is one folder with one function that writes what it does better into a copy of the Leaf below
// it, an enumerator in isa.h, and a few lines in isa.cc and CMakeLists.txt.
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

struct Leaf {
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
};

/// The leaf of the active ISA. Asserts that active_isa() has no error.
const Leaf& active_leaf();

const Leaf& reference_leaf();

#if defined(SACCADE_X86_LEAVES)
/// Each adds to the Leaf of the ISA below.
void add_avx2(Leaf& leaf);
void add_avx512(Leaf& leaf);
#endif

}  // namespace saccade
