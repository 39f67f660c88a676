// Patches that show nothing new, found in the pixels before any network runs: PixelPrune (Wang et al., arXiv
// 2604.00886). Each cell is predicted from its neighbours and left out where the prediction is right.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "media/image.h"
#include "media/pixel_batch.h"
#include "platform/thread_pool.h"

namespace saccade {

/// Which cells of a picture are worth looking at. Cells are those of all tiles in order, row by row in each.
struct PatchPruning {
  std::vector<uint8_t> is_seen;     // [num_cells], 1: kept
  std::vector<float> weights;       // [num_cells]: how many cells a kept one stands for, itself among them; else 0
  std::vector<int32_t> stands_for;  // [num_cells]: the kept cell that shows what this one shows; itself where kept
  int num_seen = 0;

  int num_cells() const { return static_cast<int>(is_seen.size()); }
};

/// The largest difference, over all pixels and channels, up to which two cells count as equal, in levels of 0..255.
/// 0: the same pixels exactly, so that what is left out is a copy of what is kept.
struct LevelTolerance {
  int levels = 0;
};

/// A cell with left neighbour A, upper neighbour B and upper left neighbour C is predicted to be B where A equals C and
/// B does not, else A; in the first column to be B, in the first row A. It is left out where it equals both its
/// prediction and the kept cell that this one stands for, so that differences don't add up along a slope; it then
/// counts for that cell. The first cell of every tile is kept, and nothing is predicted across tiles.
///
/// `cell` is what becomes one visual token; it fits a tile, and what is left of a tile at its right and lower edge is
/// in no cell, as in the tower. `normalization` is the one the pixels were made with. Two comparisons a cell, which end
/// at the first row that differs.
PatchPruning prune_equal_patches(const PixelBatch& pixels, ImageSize cell, const Normalization& normalization,
                                 LevelTolerance tolerance, ThreadPool& pool);

/// The same for a picture as it is, as one tile, at each of the tolerances. Cells at the right and lower edge are cut
/// where the picture ends, and compared over what is left of them. An empty picture has no cells.
std::vector<PatchPruning> prune_equal_patches(const Image& image, ImageSize cell,
                                              std::span<const LevelTolerance> tolerances, ThreadPool& pool);

/// Keeps besides what shares an edge with a kept cell, `margin` times over: what a tower has to see around a thing to
/// tell where it ends. Tiles have `rows` x `cols` cells.
PatchPruning with_margin(const PatchPruning& pruning, int rows, int cols, int margin);

/// [num_cells]: sums over a cell's values of the squared difference from the cell to its left and from the one above,
/// which are no smaller than it. Of cells without such a neighbour anything.
struct SquaredDifferences {
  std::vector<int64_t> from_left;
  std::vector<int64_t> from_above;
};

/// The same where these are known: few cells are compared any more.
std::vector<PatchPruning> prune_equal_patches(const Image& image, ImageSize cell, const SquaredDifferences& squares,
                                              std::span<const LevelTolerance> tolerances, ThreadPool& pool);

}  // namespace saccade
