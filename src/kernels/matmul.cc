// Two ways to the same product. A few rows of x (decoding) are dotted with each weight row as it is read. More rows
// (prefill, the vision encoder) go through panels: tile_cols weight rows are dequantised and transposed once, k-block
// by k-block, and every tile of x, laid out for it beforehand, passes over the panel while it is in cache.
#include "kernels/matmul.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

#include "kernels/leaf.h"
#include "kernels/rounding.h"
#include "kernels/scratch.h"

namespace saccade {
namespace {

/// k of one panel: a multiple of every block size, so small that the panel stays in the first-level cache.
constexpr int64_t kBlockK = 256;

/// Rows of an x tile are this far apart: at their own stride, often a power of two, they would evict each other from
/// the first-level cache.
constexpr int64_t kXTileStride = kBlockK + 16;

/// Weight rows of one range of the few-rows path, and the multiplications under which one thread does it all: waking
/// another would take longer.
constexpr int64_t kDotGrain = 16;
constexpr int64_t kMinSharedProducts = 200'000;

Scratch& thread_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

/// Of the thread that calls; the others read it.
Scratch& x_tile_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

float* reserve_floats(Scratch& scratch, int64_t count) {
  return Pieces(scratch.reserve(count * static_cast<int64_t>(sizeof(float)))).take<float>(count);
}

class Product {
 public:
  Product(const Leaf& leaf, const MatmulArgs& args)
      : leaf_(leaf),
        args_(args),
        dtype_idx_(static_cast<size_t>(args.weight.dtype)),
        k_(args.weight.shape.row_size()),
        n_(args.weight.shape.num_rows()) {}

  void run_dots(ThreadPool& pool) const;
  void run_panels(ThreadPool& pool);

 private:
  void dot_weight_row(int64_t col) const;
  void lay_out_x(ThreadPool& pool);
  void multiply_panel(int64_t col, int64_t first_row, int64_t end_row) const;
  void start_columns(int64_t col, int num_cols, int64_t first_row, int64_t end_row) const;
  void fill_panel(int64_t col, int num_cols, int64_t first_k, int64_t num_k, float* panel, float* rows) const;
  void multiply_tile(int num_cols, int num_rows, const float* x, int64_t num_k, float* y, const float* panel) const;
  float* x_tile(int64_t row, int64_t first_k) const {
    return x_tiles_ + (row / leaf_.tile_rows * num_k_blocks_ + first_k / kBlockK) * leaf_.tile_rows * kXTileStride;
  }

  const Leaf& leaf_;
  const MatmulArgs& args_;
  const size_t dtype_idx_;
  const int64_t k_;
  const int64_t n_;
  const int64_t num_k_blocks_ = ceil_div(k_, kBlockK);
  float* x_tiles_ = nullptr;  // [m / tile_rows, k / kBlockK, tile_rows, kXTileStride]
};

void Product::run_dots(ThreadPool& pool) const {
  const bool is_shared = args_.m * n_ * k_ >= kMinSharedProducts;
  pool.parallel_for(n_, is_shared ? kDotGrain : n_, [&](int64_t begin, int64_t end, int) {
    for (int64_t col = begin; col < end; ++col) dot_weight_row(col);
  });
}

void Product::dot_weight_row(int64_t col) const {
  const std::byte* row = args_.weight.row(col);
  Leaf::DotRows dot_rows = leaf_.dot_rows[dtype_idx_];
  if (dot_rows == nullptr) {
    float* floats = reserve_floats(thread_scratch(), k_);
    leaf_.dequantize[dtype_idx_](row, floats, k_);
    row = reinterpret_cast<const std::byte*>(floats);
    dot_rows = leaf_.dot_rows[static_cast<size_t>(DType::kF32)];
  }
  float dots[kMaxDotRows];
  dot_rows(row, args_.x, args_.x_stride, static_cast<int>(args_.m), k_, dots);
  for (int64_t i = 0; i < args_.m; ++i) {
    float& y = args_.y[i * args_.y_stride + col];
    const float value = args_.bias == nullptr ? dots[i] : dots[i] + args_.bias[col];
    y = args_.accumulate ? y + value : value;
  }
}

void Product::lay_out_x(ThreadPool& pool) {
  const int64_t num_tiles = ceil_div(args_.m, leaf_.tile_rows);
  x_tiles_ = reserve_floats(x_tile_scratch(), num_tiles * num_k_blocks_ * leaf_.tile_rows * kXTileStride);
  pool.parallel_for(args_.m, 64, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      const float* x = args_.x + row * args_.x_stride;
      for (int64_t first_k = 0; first_k < k_; first_k += kBlockK) {
        std::copy_n(x + first_k, std::min(kBlockK, k_ - first_k),
                    x_tile(row, first_k) + row % leaf_.tile_rows * kXTileStride);
      }
    }
  });
}

void Product::run_panels(ThreadPool& pool) {
  lay_out_x(pool);
  // Where there are fewer panels than threads would like, each is shared by several groups of rows of x; a group
  // repeats the panel's dequantisation, so groups are kept large.
  constexpr int64_t kMinGroupRows = 64;
  const int64_t num_panels = ceil_div(n_, leaf_.tile_cols);
  const int64_t wanted_groups = ceil_div(4 * pool.num_threads(), num_panels);
  const int64_t max_groups = std::max<int64_t>(1, args_.m / kMinGroupRows);
  const int64_t num_groups = pool.num_threads() == 1 ? 1 : std::min(wanted_groups, max_groups);
  const int64_t group_rows = ceil_div(ceil_div(args_.m, num_groups), leaf_.tile_rows) * leaf_.tile_rows;
  pool.parallel_for(num_panels * num_groups, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first_row = item % num_groups * group_rows;
      const int64_t end_row = std::min(args_.m, first_row + group_rows);
      if (first_row < end_row) multiply_panel(item / num_groups * leaf_.tile_cols, first_row, end_row);
    }
  });
}

void Product::multiply_panel(int64_t col, int64_t first_row, int64_t end_row) const {
  const int num_cols = static_cast<int>(std::min<int64_t>(leaf_.tile_cols, n_ - col));
  const int64_t panel_size = kBlockK * leaf_.tile_cols;
  float* panel = reserve_floats(thread_scratch(), 2 * panel_size);  // [kBlockK, tile_cols], then its rows dequantised
  start_columns(col, num_cols, first_row, end_row);
  for (int64_t first_k = 0; first_k < k_; first_k += kBlockK) {
    const int64_t num_k = std::min(kBlockK, k_ - first_k);
    fill_panel(col, num_cols, first_k, num_k, panel, panel + panel_size);
    for (int64_t row = first_row; row < end_row; row += leaf_.tile_rows) {
      const int num_rows = static_cast<int>(std::min<int64_t>(leaf_.tile_rows, end_row - row));
      multiply_tile(num_cols, num_rows, x_tile(row, first_k), num_k, args_.y + row * args_.y_stride + col, panel);
    }
  }
}

/// y = what the tiles add to: the bias, plus what was there when accumulating.
void Product::start_columns(int64_t col, int num_cols, int64_t first_row, int64_t end_row) const {
  for (int64_t row = first_row; row < end_row; ++row) {
    float* y = args_.y + row * args_.y_stride + col;
    for (int i = 0; i < num_cols; ++i) {
      const float start = args_.bias == nullptr ? 0.0f : args_.bias[col + i];
      y[i] = args_.accumulate ? y[i] + start : start;
    }
  }
}

void Product::fill_panel(int64_t col, int num_cols, int64_t first_k, int64_t num_k, float* panel, float* rows) const {
  const int64_t first_byte = row_bytes(args_.weight.dtype, first_k);
  for (int i = 0; i < num_cols; ++i) {
    leaf_.dequantize[dtype_idx_](args_.weight.row(col + i) + first_byte, rows + i * kBlockK, num_k);
  }
  leaf_.pack_panel(rows, kBlockK, num_cols, num_k, panel);
}

void Product::multiply_tile(int num_cols, int num_rows, const float* x, int64_t num_k, float* y,
                            const float* panel) const {
  if (num_cols == leaf_.tile_cols) {
    leaf_.gemm_tile(num_rows, x, kXTileStride, panel, num_k, y, args_.y_stride);
    return;
  }
  float tile[kMaxTileRows * kMaxTileCols] = {};  // the last panel is narrower than what gemm_tile writes
  leaf_.gemm_tile(num_rows, x, kXTileStride, panel, num_k, tile, leaf_.tile_cols);
  for (int row = 0; row < num_rows; ++row) {
    for (int i = 0; i < num_cols; ++i) y[row * args_.y_stride + i] += tile[row * leaf_.tile_cols + i];
  }
}

}  // namespace

void matmul(ThreadPool& pool, const MatmulArgs& args) {
  assert(args.weight.shape.row_size() % traits_of(args.weight.dtype).block_size == 0);
  Product product(active_leaf(), args);
  if (args.m == 0 || args.weight.shape.num_rows() == 0) return;
  if (args.m <= kMaxDotRows) {
    product.run_dots(pool);
  } else {
    product.run_panels(pool);
  }
}

}  // namespace saccade
