// The order in which Qwen2-VL's tower holds its patches: squares that merge into one token stay together and, in
// Qwen2.5-VL, windows of such squares do too.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "encoder/patch_embedding.h"
#include "encoder/vit_block.h"

namespace saccade {

struct PatchOrder {
  std::vector<PatchPosition> patches;  // [num_patches]: which patch each row of the tower holds
  std::vector<int64_t> cells;          // [num_patches / merge^2]: the merged grid's cell of each group of rows
  std::vector<RowRange> windows;       // the rows of each window, in order
};

/// `grid_rows` x `grid_cols` patches, both multiples of `merge_size`. Windows are of `window_cells` x `window_cells`
/// merged cells, row by row, smaller at the right and lower edge; 0 makes one window of everything.
PatchOrder order_patches(int64_t grid_rows, int64_t grid_cols, int64_t merge_size, int64_t window_cells);

/// What is left of the order where only some cells are seen, [num_cells] of the merged grid. Windows without any
/// vanish.
PatchOrder keep_seen(const PatchOrder& order, std::span<const uint8_t> is_seen);

}  // namespace saccade
