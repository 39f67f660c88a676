// The inner loops of measuring how redundant pixels are, over one row of them at a time. They are most of its cost, and
// give the same sums on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace saccade {

/// How many of a value's neighbours make it an edge: the one to the right or below differs by more than so many levels.
inline constexpr int kEdgeLevels = 24;

/// Of the level of green.
inline constexpr int kEntropyBins = 16;

/// What rows add up to for one cell. Sums are in lanes that only together mean something.
struct CellSums {
  std::array<uint64_t, 4> right = {};  // squared difference from the cell to the right, over the part that both have
  std::array<uint64_t, 4> down = {};   // from the one below
  // How often green is in the bins 0, 2 .. 14, then 1, 3 .. 15.
  std::array<std::array<uint32_t, kEntropyBins / 2>, 2> greens = {};
};

/// A row of a picture as the cells' own rows.
struct CellRow {
  const uint8_t* pixels = nullptr;
  const uint8_t* below = nullptr;  // the row as far below as cells are high; null: there is none
  int num_bytes = 0;               // of the row
  int cell_bytes = 0;              // of each cell but the last, which has what is left
  int num_readable = 0;            // bytes from `pixels` on that are memory of the picture
};

/// The loops for one instruction set. Rows are of `count` values, three a pixel.
struct RedundancyLoops {
  const char* isa;

  /// sum row[i]^2
  int64_t (*sum_of_squares)(const uint8_t* row, int count);

  /// How many values are edges. `below` may be the row itself.
  int64_t (*count_edges)(const uint8_t* row, const uint8_t* below, int count);

  /// pair[i] = above[i] + row[i]. Returns the sum of squares of pair[i] + pair[i + 3].
  int64_t (*add_pair)(const uint8_t* above, const uint8_t* row, int count, int16_t* pair);

  /// four[i] += pair[i], and columns[i] += four[i]. Returns the sum of squares of the sums of four[i + 0, 3, 6, 9].
  int64_t (*add_four)(const int16_t* pair, int count, int16_t* four, int32_t* columns);

  /// Adds to `right` and `down` of each cell.
  void (*add_differences)(const CellRow& row, CellSums* cells);

  /// Adds to `greens` of each cell.
  void (*add_greens)(const CellRow& row, CellSums* cells);
};

/// Those that this machine can run, the fastest first.
const std::vector<RedundancyLoops>& redundancy_loops();

}  // namespace saccade
