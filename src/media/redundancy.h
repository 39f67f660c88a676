// How much of a picture says nothing new, measured on its pixels before any network runs: facts for a plan.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "media/image.h"
#include "media/patch_pruning.h"
#include "platform/thread_pool.h"

namespace saccade {

/// x(c, p) is the level (0..255) of channel c at pixel p; its variance is about each channel's own mean, summed over
/// the channels. The grid's last cells are cut where the picture ends.
struct Redundancy {
  int rows = 0;  // of cells
  int cols = 0;

  /// Autocorrelation at the distance of one cell: 1 - E[|x(p) - x(q)|^2] / (2 variance) over all pairs of pixels at the
  /// same place in cells beside or above each other. 1: equal, 0: as unlike as any two pixels, below: more so. 1 for a
  /// flat picture; 0 where there is but one cell.
  double neighbour_correlation = 0;
  /// The same for each cell with its up to four neighbours, cut at 0. [rows * cols]
  std::vector<float> similarity;

  /// Share of the variance that is left when windows of 2 x 2 (4 x 4) pixels are replaced by their mean, which is
  /// 1 - |x - up(down(x))|^2 / variance with box filters. Over windows at every column and every 2nd (4th) row. 1 for a
  /// flat picture; 0 for one that is smaller than a window.
  double survives_half = 0;
  double survives_quarter = 0;

  /// The most frequent of 4096 coarse colours, as the mean of its pixels (of which every 4th in every 4th row is read),
  /// and the share of cells all of whose pixels are within 8 levels of it.
  std::array<uint8_t, 3> background = {0, 0, 0};
  double background_share = 0;

  /// Share of the cells that PixelPrune keeps (patch_pruning.h), at no and at 8 levels of tolerance.
  double unique_share = 0;
  double unique_share_within_8 = 0;
  PatchPruning exact;     // at 0 levels
  PatchPruning within_8;  // at 8

  /// Share of the values x that differ from the one to the right or below by more than 24 levels: text, lines, edges.
  double edge_share = 0;

  /// Entropy in bits of the levels within a cell, mean of the cells: plug-in estimate (no correction for the number of
  /// samples: a cell of 28 x 28 comes out up to 0.03 too low) over 16 bins of 16 levels, of green in every 2nd row.
  double cell_entropy_bits = 0;

  int num_cells() const { return rows * cols; }
};

/// `cell` is what becomes one visual token. An empty picture has no cells and 0 everywhere. All facts are exact,
/// whatever the machine and the number of threads. A megapixel takes about a millisecond on one thread with AVX2
/// (bench/media/redundancy_bench.cc).
Redundancy measure_redundancy(const Image& image, ImageSize cell, ThreadPool& pool);

}  // namespace saccade
