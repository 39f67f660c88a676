// Rows on their way through a tower's blocks, fewer after each where a plan merges or drops some.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "encoder/encode_plan.h"
#include "encoder/vit_block.h"
#include "encoder/work_progress.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"

namespace saccade {

struct TowerBlocks {
  std::span<const VitBlock> blocks;
  std::vector<uint8_t> is_windowed;  // [num_blocks]; empty: none is
};

/// Rows of one tile (Qwen2-VL: of one picture). Windows cover them in order: rows of two of them never merge and, in
/// windowed blocks, do not see each other.
struct RowTile {
  std::vector<RowRange> windows;  // not empty

  RowRange rows() const { return {windows.front().begin, windows.back().end}; }
};

/// What goes into the blocks.
struct TowerRows {
  Tensor hidden;               // [num_rows, vision_dim]
  std::vector<RowTile> tiles;  // cover the rows in order
  int64_t num_class_rows = 0;  // at the front of each tile: never merged nor dropped
  std::vector<float> sizes;    // [num_rows]: for how many patches each stands; empty: 1 each
  std::optional<RotaryTable> rotary;
};

/// What comes out of them.
struct TowerResult {
  Tensor hidden;                 // [num_left, vision_dim]
  std::vector<int32_t> origins;  // [num_left]: the row each was, of those that went in; ascending
  std::vector<int32_t> targets;  // [rows that went in]: which of the result shows each, merged with others or alone
  std::vector<float> sizes;      // [num_left]; empty: 1 each
  // Where the plan wants them: in the last layer that ran, each tile's attention (1 in all, with that of the class
  // row), and the keys before their positions.
  std::vector<float> attention;  // [num_left]
  Tensor keys;                   // [num_left, vision_dim]
};

enum class MergedRows : uint8_t { kStayMerged, kComeBack };

/// Multiply-adds of run_tower(), exactly where there are no merges within windows.
double tower_work(const TowerBlocks& tower, std::span<const RowTile> tiles, int64_t num_class_rows,
                  const EncodePlan& plan);

/// Runs the layers that `plan` wants. With kComeBack, there are as many rows behind the last one as before the first.
/// Errors: kCancelled.
Expected<TowerResult> run_tower(const TowerBlocks& tower, TowerRows rows, const EncodePlan& plan, MergedRows merged,
                                ThreadPool& pool, WorkProgress& progress);

}  // namespace saccade
