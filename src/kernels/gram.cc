// Columns of the result are taken in groups of a few panels that stay in the second-level cache; the tiles of rows from
// the group's first column on pass over them, and each tile is written twice, the second time transposed.
#include "kernels/gram.h"

#include <algorithm>
#include <cassert>

#include "kernels/leaf.h"
#include "kernels/panel_format.h"
#include "kernels/rounding.h"
#include "kernels/scratch.h"

namespace saccade {
namespace {

/// What the panels of a group may take of the second-level cache.
constexpr int64_t kGroupBytes = 512 * 1024;
constexpr int64_t kMaxGroupPanels = 4;

/// Multiplications under which one thread does it all: waking another would take longer.
constexpr int64_t kMinSharedWork = 200'000;

Scratch& thread_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

/// Of the thread that calls; the others read it.
Scratch& row_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

/// Writes tile [num_rows, num_cols] to (row, col) and to (col, row).
void write_both(const GramArgs& args, int64_t row, int64_t num_rows, int64_t col, int64_t num_cols, const float* tile,
                int64_t tile_stride) {
  for (int64_t i = 0; i < num_rows; ++i) {
    std::copy_n(tile + i * tile_stride, num_cols, args.out + (row + i) * args.out_stride + col);
  }
  for (int64_t j = 0; j < num_cols; ++j) {
    float* target = args.out + (col + j) * args.out_stride + row;
    for (int64_t i = 0; i < num_rows; ++i) target[i] = tile[i * tile_stride + j];
  }
}

/// Panels to a group: at most `max_panels`, and so many groups that the threads get equal parts.
int64_t group_panels(int64_t num_panels, int64_t max_panels, int64_t num_threads) {
  const int64_t num_pairs = round_up(ceil_div(num_panels, 2 * max_panels), num_threads);
  return ceil_div(num_panels, 2 * num_pairs);
}

/// Runs `body(first_panel, num_panels)` for each group. The first has the most rows, the last the fewest: each range
/// takes one from either end, so that all ranges are about equal.
template <typename Body>
void for_each_group(ThreadPool& pool, const GramArgs& args, int64_t num_panels, int64_t max_panels, const Body& body) {
  const int64_t panels_to_group = group_panels(num_panels, max_panels, pool.num_threads());
  const int64_t num_groups = ceil_div(num_panels, panels_to_group);
  const int64_t num_pairs = ceil_div(num_groups, 2);
  const bool is_shared = args.n * args.n * args.k >= kMinSharedWork;
  const auto run = [&](int64_t group) {
    const int64_t first = group * panels_to_group;
    body(first, std::min(panels_to_group, num_panels - first));
  };
  pool.parallel_for(num_pairs, is_shared ? 1 : num_pairs, [&](int64_t begin, int64_t end, int) {
    for (int64_t pair = begin; pair < end; ++pair) {
      run(pair);
      if (num_groups - 1 - pair != pair) run(num_groups - 1 - pair);
    }
  });
}

class Bf16Gram {
 public:
  Bf16Gram(const Leaf& leaf, const GramArgs& args)
      : leaf_(leaf),
        args_(args),
        padded_k_(round_up(args.k, kPanelBlock)),
        panel_bytes_(padded_k_ * kPanelRows * 2),
        num_panels_(ceil_div(args.n, kPanelRows)) {}

  void run(ThreadPool& pool) {
    Pieces sizes(nullptr);
    lay_out(sizes);
    Pieces pieces(row_scratch().reserve(sizes.used()));
    lay_out(pieces);
    pool.parallel_for(num_panels_, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t panel = begin; panel < end; ++panel) round_rows(panel);
    });
    for_each_group(pool, args_, num_panels_, std::clamp<int64_t>(kGroupBytes / panel_bytes_, 1, kMaxGroupPanels),
                   [&](int64_t first_panel, int64_t num_panels) { multiply(first_panel, num_panels); });
  }

 private:
  void lay_out(Pieces& pieces) {
    // A tile begins at any multiple of 16, and may read beyond the last row.
    x_ = pieces.take<uint16_t>((round_up(args_.n, kBf16GroupRows) + kMaxPanelTileRows) * padded_k_);
    panels_ = pieces.take<std::byte>(num_panels_ * panel_bytes_);
  }

  /// Both forms of the rows of a panel.
  void round_rows(int64_t panel) {
    const int64_t first = panel * kPanelRows;
    const int64_t count = std::min<int64_t>(kPanelRows, args_.n - first);
    const float* rows = args_.rows + first * args_.row_stride;
    for (int64_t i = 0; i < count; ++i) {
      leaf_.round_row(rows + i * args_.row_stride, args_.k, padded_k_, first + i, x_);
    }
    leaf_.pack_bf16_rows(rows, args_.row_stride, static_cast<int>(count), args_.k, padded_k_,
                         panels_ + panel * panel_bytes_);
  }

  void multiply(int64_t first_panel, int64_t num_panels) const {
    const int64_t col = first_panel * kPanelRows;
    const int64_t num_cols = std::min(num_panels * kPanelRows, args_.n - col);
    constexpr int64_t kTileStride = kMaxGroupPanels * kPanelRows;
    alignas(64) float tile[kMaxPanelTileRows * kTileStride];
    if (leaf_.begin_bf16_tiles != nullptr) leaf_.begin_bf16_tiles();
    for (int64_t row = col; row < args_.n; row += leaf_.bf16_tile_rows) {
      const int64_t num_rows = std::min<int64_t>(leaf_.bf16_tile_rows, args_.n - row);
      leaf_.bf16_tile({x_ + row * padded_k_, padded_k_, static_cast<int>(num_rows)},
                      {panels_ + first_panel * panel_bytes_, panel_bytes_, static_cast<int>(num_panels)}, tile,
                      kTileStride);
      write_both(args_, row, num_rows, col, num_cols, tile, kTileStride);
    }
    if (leaf_.end_bf16_tiles != nullptr) leaf_.end_bf16_tiles();
  }

  const Leaf& leaf_;
  const GramArgs& args_;
  const int64_t padded_k_;
  const int64_t panel_bytes_;
  const int64_t num_panels_;
  uint16_t* x_ = nullptr;        // [n / 16, padded_k / 32, 16, 32]
  std::byte* panels_ = nullptr;  // of 16 rows
};

class F32Gram {
 public:
  F32Gram(const Leaf& leaf, const GramArgs& args) : leaf_(leaf), args_(args) {}

  void run(ThreadPool& pool) const {
    for_each_group(pool, args_, ceil_div(args_.n, leaf_.tile_cols), kMaxGroupPanels,
                   [&](int64_t first_panel, int64_t num_panels) { multiply(first_panel, num_panels); });
  }

 private:
  static constexpr int64_t kBlockK = 256;              // of a panel, which so stays in the first-level cache
  static constexpr int64_t kRowStride = kBlockK + 16;  // rows of a tile at a power of two would evict each other

  struct Buffers {
    float* panels;  // [num_panels, kBlockK, tile_cols]
    float* x;       // [tile_rows, kRowStride]
    float* sums;    // [rows from the group's first column on, num_panels * tile_cols]
  };

  Buffers lay_out(Pieces& pieces, int64_t num_rows, int64_t num_panels) const {
    Buffers buffers = {};
    buffers.panels = pieces.take<float>(num_panels * kBlockK * leaf_.tile_cols);
    buffers.x = pieces.take<float>(leaf_.tile_rows * kRowStride);
    buffers.sums = pieces.take<float>(num_rows * num_panels * leaf_.tile_cols);
    return buffers;
  }

  void multiply(int64_t first_panel, int64_t num_panels) const {
    const int64_t col = first_panel * leaf_.tile_cols;
    const int64_t stride = num_panels * leaf_.tile_cols;
    const int64_t num_rows = args_.n - col;
    Pieces sizes(nullptr);
    lay_out(sizes, num_rows, num_panels);
    Pieces pieces(thread_scratch().reserve(sizes.used()));
    const Buffers buffers = lay_out(pieces, num_rows, num_panels);
    std::fill_n(buffers.sums, num_rows * stride, 0.0f);
    for (int64_t first_k = 0; first_k < args_.k; first_k += kBlockK) {
      add_block(col, num_panels, first_k, std::min(kBlockK, args_.k - first_k), buffers);
    }
    constexpr int64_t kWrittenRows = 32;
    for (int64_t row = 0; row < num_rows; row += kWrittenRows) {
      write_both(args_, col + row, std::min(kWrittenRows, num_rows - row), col, std::min(stride, num_rows),
                 buffers.sums + row * stride, stride);
    }
  }

  /// sums += the products over [first_k, first_k + num_k).
  void add_block(int64_t col, int64_t num_panels, int64_t first_k, int64_t num_k, const Buffers& buffers) const {
    const int64_t panel_size = kBlockK * leaf_.tile_cols;
    for (int64_t i = 0; i < num_panels; ++i) {
      const int64_t first = col + i * leaf_.tile_cols;
      const int num_cols = static_cast<int>(std::min<int64_t>(leaf_.tile_cols, args_.n - first));
      leaf_.pack_panel(row_at(first) + first_k, args_.row_stride, num_cols, num_k, buffers.panels + i * panel_size);
    }
    for (int64_t row = col; row < args_.n; row += leaf_.tile_rows) {
      const int count = static_cast<int>(std::min<int64_t>(leaf_.tile_rows, args_.n - row));
      for (int i = 0; i < count; ++i) std::copy_n(row_at(row + i) + first_k, num_k, buffers.x + i * kRowStride);
      float* sums = buffers.sums + (row - col) * num_panels * leaf_.tile_cols;
      for (int64_t i = 0; i < num_panels; ++i) {
        leaf_.gemm_tile(count, buffers.x, kRowStride, buffers.panels + i * panel_size, num_k,
                        sums + i * leaf_.tile_cols, num_panels * leaf_.tile_cols);
      }
    }
  }

  const float* row_at(int64_t row) const { return args_.rows + row * args_.row_stride; }

  const Leaf& leaf_;
  const GramArgs& args_;
};

}  // namespace

void gram(ThreadPool& pool, const GramArgs& args) {
  gram(pool, active_leaf(), args);
}

void gram(ThreadPool& pool, const Leaf& leaf, const GramArgs& args) {
  if (args.n == 0) return;
  assert(args.k > 0 && args.row_stride >= args.k && args.out_stride >= args.n);
  if (args.allows_bf16 && leaf.bf16_tile != nullptr) {
    Bf16Gram(leaf, args).run(pool);
  } else {
    F32Gram(leaf, args).run(pool);
  }
}

}  // namespace saccade
