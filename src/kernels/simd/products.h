// The matrix entries of a Leaf (leaf.h says what each computes), over a register type V such as avx2::Vec.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/simd/blocks.h"

namespace saccade::simd {

template <typename V, int num_rows>
inline void gemm_rows(const float* x, int64_t x_stride, const float* panel, int64_t k, float* y, int64_t y_stride) {
  using Reg = typename V::Reg;
  constexpr int kRegs = V::kTileRegs;
  Reg sums[num_rows][kRegs];
  for (int row = 0; row < num_rows; ++row) {
    for (int j = 0; j < kRegs; ++j) sums[row][j] = V::zero();
  }
  for (int64_t i = 0; i < k; ++i) {
    Reg columns[kRegs];
    for (int j = 0; j < kRegs; ++j) columns[j] = V::load(panel + (i * kRegs + j) * V::kLanes);
#pragma GCC unroll 16
    for (int row = 0; row < num_rows; ++row) {
      const Reg value = V::set(x[row * x_stride + i]);
      for (int j = 0; j < kRegs; ++j) sums[row][j] = V::mul_add(value, columns[j], sums[row][j]);
    }
  }
  for (int row = 0; row < num_rows; ++row) {
    for (int j = 0; j < kRegs; ++j) {
      float* target = y + row * y_stride + j * V::kLanes;
      V::store(target, V::add(V::load(target), sums[row][j]));
    }
  }
}

template <typename V>
struct Gemm {
  static constexpr int kTileRows = V::kTileRows;
  static constexpr int kTileCols = V::kTileRegs * V::kLanes;

  template <int max_rows = kTileRows>
  static void gemm_tile(int num_rows, const float* x, int64_t x_stride, const float* panel, int64_t k, float* y,
                        int64_t y_stride) {
    if constexpr (max_rows > 1) {
      if (num_rows < max_rows) return gemm_tile<max_rows - 1>(num_rows, x, x_stride, panel, k, y, y_stride);
    }
    gemm_rows<V, max_rows>(x, x_stride, panel, k, y, y_stride);
  }

  static void pack_panel(const float* rows, int64_t row_stride, int num_rows, int64_t k, float* panel) {
    if (num_rows < kTileCols) {
      for (int64_t i = 0; i < k * kTileCols; ++i) panel[i] = 0;
    }
    int row = 0;
    for (; row + 8 <= num_rows; row += 8) {
      int64_t i = 0;
      for (; i + 8 <= k; i += 8) {
        V::transpose_8x8(rows + row * row_stride + i, row_stride, panel + i * kTileCols + row, kTileCols);
      }
      for (; i < k; ++i) {
        for (int j = row; j < row + 8; ++j) panel[i * kTileCols + j] = rows[j * row_stride + i];
      }
    }
    for (; row < num_rows; ++row) {
      for (int64_t i = 0; i < k; ++i) panel[i * kTileCols + row] = rows[row * row_stride + i];
    }
  }
};

/// Rows of blocks, Block being one of blocks.h.
template <typename V, typename Block>
struct Rows {
  using Reg = typename V::Reg;
  static constexpr int kRegs = kRunRegs<V>;
  static constexpr int kBlock = Block::kRuns * kRun;  // weights

  static void dequantize(const std::byte* source, float* target, int64_t count) {
    Reg run[kRegs];
    int64_t first = 0;
    for (; first + kBlock <= count; first += kBlock, source += Block::kBytes) {
      for (int i = 0; i < Block::kRuns; ++i) {
        Block::decode(source, i, run);
        for (int j = 0; j < kRegs; ++j) V::store(target + first + i * kRun + j * V::kLanes, run[j]);
      }
    }
    if (first == count) return;
    float tail[kRun];
    decode_tail(source, count - first, run);
    for (int j = 0; j < kRegs; ++j) V::store(tail + j * V::kLanes, run[j]);
    for (int64_t j = 0; first + j < count; ++j) target[first + j] = tail[j];
  }

  /// sum[0:count] += the weighted sum of rows.
  static void add_rows(const std::byte* rows, int64_t row_stride, int64_t num_rows, const float* weights, float* sum,
                       int64_t count) {
    constexpr int kMost = 8 / kRegs;  // runs whose sums stay in registers
    int64_t first = 0;
    for (; first + kMost * kRun <= count; first += kMost * kRun) {
      add_runs<kMost>(rows, row_stride, num_rows, weights, sum + first, first / kRun);
    }
    for (; first + kRun <= count; first += kRun)
      add_runs<1>(rows, row_stride, num_rows, weights, sum + first, first / kRun);
    if (first == count) return;
    for (int64_t row = 0; row < num_rows; ++row) {
      Reg run[kRegs];
      decode_tail(rows + row * row_stride + first / kRun * Block::kBytes, count - first, run);
      float tail[kRun];
      for (int j = 0; j < kRegs; ++j) V::store(tail + j * V::kLanes, run[j]);
      for (int64_t j = 0; first + j < count; ++j) sum[first + j] += weights[row] * tail[j];
    }
  }

  /// Every sum is one chain of products and is reduced in one way, whichever tile it is in.
  static void dot_all(const std::byte* rows, int64_t row_stride, int64_t num_rows, const float* x, int64_t x_stride,
                      int64_t num_x, int64_t k, float* out, int64_t out_stride) {
    int64_t i = 0;
    for (; i + 2 <= num_x; i += 2) {
      dot_tiles<2, 4>(rows, row_stride, num_rows, x + i * x_stride, x_stride, k, out + i * out_stride, out_stride);
    }
    if (i < num_x) {
      dot_tiles<1, 8>(rows, row_stride, num_rows, x + i * x_stride, x_stride, k, out + i * out_stride, out_stride);
    }
  }

  static void dot_rows(const std::byte* row, const float* x, int64_t x_stride, int num_rows, int64_t k, float* out) {
    switch (num_rows) {
      case 1:
        return dot_some<1>(row, x, x_stride, k, out);
      case 2:
        return dot_some<2>(row, x, x_stride, k, out);
      case 3:
        return dot_some<3>(row, x, x_stride, k, out);
      default:
        return dot_some<4>(row, x, x_stride, k, out);
    }
  }

 private:
  /// For blocks of one run: runs [first_run, first_run + num_runs) of each row.
  template <int num_runs>
  static void add_runs(const std::byte* rows, int64_t row_stride, int64_t num_rows, const float* weights, float* sum,
                       int64_t first_run) {
    Reg sums[num_runs * kRegs];
    for (int i = 0; i < num_runs * kRegs; ++i) sums[i] = V::load(sum + i * V::kLanes);
    const std::byte* row = rows + first_run * Block::kBytes;
    for (int64_t row_idx = 0; row_idx < num_rows; ++row_idx, row += row_stride) {
      const Reg weight = V::set(weights[row_idx]);
      for (int run_idx = 0; run_idx < num_runs; ++run_idx) {
        Reg run[kRegs];
        Block::decode(row + run_idx * Block::kBytes, 0, run);
        for (int j = 0; j < kRegs; ++j) {
          sums[run_idx * kRegs + j] = V::mul_add(run[j], weight, sums[run_idx * kRegs + j]);
        }
      }
    }
    for (int i = 0; i < num_runs * kRegs; ++i) V::store(sum + i * V::kLanes, sums[i]);
  }

  template <int num_x, int tile_rows>
  static void dot_tiles(const std::byte* rows, int64_t row_stride, int64_t num_rows, const float* x, int64_t x_stride,
                        int64_t k, float* out, int64_t out_stride) {
    for (int64_t first = 0; first < num_rows; first += tile_rows) {
      const int64_t count = num_rows - first < tile_rows ? num_rows - first : tile_rows;
      const std::byte* tile[tile_rows];  // the last row again where there are no more
      for (int64_t i = 0; i < tile_rows; ++i) tile[i] = rows + (first + (i < count ? i : count - 1)) * row_stride;
      float dots[num_x * tile_rows];
      dot_tile<num_x, tile_rows>(tile, x, x_stride, k, dots);
      for (int64_t i = 0; i < num_x; ++i) {
        for (int64_t j = 0; j < count; ++j) out[i * out_stride + first + j] = dots[i * tile_rows + j];
      }
    }
  }

  /// out [num_x, tile_rows]
  template <int num_x, int tile_rows>
  static void dot_tile(const std::byte* const* rows, const float* x, int64_t x_stride, int64_t k, float* out) {
    Reg sums[num_x * tile_rows];
    for (Reg& sum : sums) sum = V::zero();
    const auto add = [&](const Reg* run, int row, const float* source, int64_t stride) {
      for (int i = 0; i < num_x; ++i) {
        for (int j = 0; j < kRegs; ++j) {
          Reg& sum = sums[i * tile_rows + row];
          sum = V::mul_add(run[j], V::load(source + i * stride + j * V::kLanes), sum);
        }
      }
    };
    Reg run[kRegs];
    int64_t first = 0;
    int64_t byte = 0;
    for (; first + kBlock <= k; first += kBlock, byte += Block::kBytes) {
      for (int run_idx = 0; run_idx < Block::kRuns; ++run_idx) {
#pragma GCC unroll 8
        for (int row = 0; row < tile_rows; ++row) {
          Block::decode(rows[row] + byte, run_idx, run);
          add(run, row, x + first + run_idx * kRun, x_stride);
        }
      }
    }
    if (first < k) {
      float padded[num_x * kRun] = {};
      for (int i = 0; i < num_x; ++i) {
        for (int64_t j = 0; first + j < k; ++j) padded[i * kRun + j] = x[i * x_stride + first + j];
      }
      for (int row = 0; row < tile_rows; ++row) {
        decode_tail(rows[row] + byte, k - first, run);
        add(run, row, padded, kRun);
      }
    }
    for (int i = 0; i < num_x * tile_rows; i += 4) V::reduce_add_4(sums + i, out + i);
  }

  /// The last `count` < kRun weights of a row of a 16- or 32-bit type, then zeros.
  static void decode_tail(const std::byte* source, int64_t count, Reg* run) {
    std::byte padded[Block::kBytes] = {};
    const int64_t num_bytes = count * (Block::kBytes / kRun);
    for (int64_t i = 0; i < num_bytes; ++i) padded[i] = source[i];
    Block::decode(padded, 0, run);
  }

  template <int num_rows>
  static void dot_some(const std::byte* row, const float* x, int64_t x_stride, int64_t k, float* out) {
    Reg sums[num_rows][2];
    for (int i = 0; i < num_rows; ++i) sums[i][0] = sums[i][1] = V::zero();
    int64_t first = 0;
    for (; first + kBlock <= k; first += kBlock, row += Block::kBytes) {
      for (int i = 0; i < Block::kRuns; ++i) add_run<num_rows>(row, i, x + first + i * kRun, x_stride, sums);
    }
    for (int i = 0; i < num_rows; ++i) out[i] = V::reduce_add(V::add(sums[i][0], sums[i][1]));
    if (first == k) return;
    Reg run[kRegs];
    decode_tail(row, k - first, run);
    for (int i = 0; i < num_rows; ++i) out[i] += dot_tail(run, x + i * x_stride + first, k - first);
  }

  template <int num_rows>
  static void add_run(const std::byte* block, int run_idx, const float* x, int64_t x_stride, Reg (*sums)[2]) {
    Reg run[kRegs];
    Block::decode(block, run_idx, run);
    for (int i = 0; i < num_rows; ++i) {
      for (int j = 0; j < kRegs; ++j) {
        sums[i][j % 2] = V::mul_add(run[j], V::load(x + i * x_stride + j * V::kLanes), sums[i][j % 2]);
      }
    }
  }

  static float dot_tail(const Reg* run, const float* x, int64_t count) {
    float padded[kRun] = {};
    for (int64_t i = 0; i < count; ++i) padded[i] = x[i];
    Reg sum = V::zero();
    for (int j = 0; j < kRegs; ++j) sum = V::mul_add(run[j], V::load(padded + j * V::kLanes), sum);
    return V::reduce_add(sum);
  }
};

}  // namespace saccade::simd
