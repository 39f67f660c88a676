#include "encoder/patch_order.h"

#include <algorithm>
#include <cassert>

namespace saccade {
namespace {

void append_cell(int64_t cell_y, int64_t cell_x, int64_t merge_size, std::vector<PatchPosition>& patches) {
  for (int64_t dy = 0; dy < merge_size; ++dy) {
    for (int64_t dx = 0; dx < merge_size; ++dx) {
      patches.push_back({cell_y * merge_size + dy, cell_x * merge_size + dx});
    }
  }
}

}  // namespace

PatchOrder order_patches(int64_t grid_rows, int64_t grid_cols, int64_t merge_size, int64_t window_cells) {
  assert(grid_rows % merge_size == 0 && grid_cols % merge_size == 0);
  const int64_t cell_rows = grid_rows / merge_size;
  const int64_t cell_cols = grid_cols / merge_size;
  const int64_t step_y = window_cells == 0 ? cell_rows : window_cells;
  const int64_t step_x = window_cells == 0 ? cell_cols : window_cells;
  PatchOrder order;
  order.patches.reserve(static_cast<size_t>(grid_rows * grid_cols));
  order.cells.reserve(static_cast<size_t>(cell_rows * cell_cols));
  for (int64_t window_y = 0; window_y < cell_rows; window_y += step_y) {
    for (int64_t window_x = 0; window_x < cell_cols; window_x += step_x) {
      const auto begin = static_cast<int64_t>(order.patches.size());
      for (int64_t y = window_y; y < std::min(window_y + step_y, cell_rows); ++y) {
        for (int64_t x = window_x; x < std::min(window_x + step_x, cell_cols); ++x) {
          append_cell(y, x, merge_size, order.patches);
          order.cells.push_back(y * cell_cols + x);
        }
      }
      order.windows.push_back({begin, static_cast<int64_t>(order.patches.size())});
    }
  }
  return order;
}

PatchOrder keep_seen(const PatchOrder& order, std::span<const uint8_t> is_seen) {
  PatchOrder kept;
  const size_t group = order.cells.empty() ? 1 : order.patches.size() / order.cells.size();
  for (const RowRange& window : order.windows) {
    const auto begin = static_cast<int64_t>(kept.patches.size());
    for (auto row = static_cast<size_t>(window.begin); row < static_cast<size_t>(window.end); row += group) {
      const int64_t cell = order.cells[row / group];
      if (is_seen[static_cast<size_t>(cell)] == 0) continue;
      kept.cells.push_back(cell);
      for (size_t i = row; i < row + group; ++i) kept.patches.push_back(order.patches[i]);
    }
    const auto end = static_cast<int64_t>(kept.patches.size());
    if (end > begin) kept.windows.push_back({begin, end});
  }
  return kept;
}

}  // namespace saccade
