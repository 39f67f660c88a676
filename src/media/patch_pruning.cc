#include "media/patch_pruning.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <memory>

#include "media/byte_difference.h"

namespace saccade {

namespace {

// The compiler's vectors, of the width that every machine has: reading the pixels takes longer than packing them.
typedef float Floats __attribute__((vector_size(16)));
typedef int32_t Ints __attribute__((vector_size(16)));

constexpr size_t kLanes = 16;  // bytes of a vector
constexpr int kDiffers = 256;  // more levels than there are

/// max |a - b| of `count` bytes, or kDiffers once it is over the limit.
int difference_of(const uint8_t* a, const uint8_t* b, size_t count, int limit) {
  constexpr size_t kStep = 128;  // between looks at the limit
  int largest = 0;
  size_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    largest = std::max(largest, largest_difference(a + i, b + i, kStep));
    if (largest > limit) return kDiffers;
  }
  largest = std::max(largest, largest_difference(a + i, b + i, count - i));
  return largest > limit ? kDiffers : largest;
}

/// Where the cells of all tiles are, row by row in each.
struct CellGrid {
  int num_tiles = 0;
  int rows = 0;  // of cells, in each tile
  int cols = 0;

  int cells_per_tile() const { return rows * cols; }
  size_t num_cells() const { return static_cast<size_t>(num_tiles) * static_cast<size_t>(cells_per_tile()); }
  bool is_in_first_col(int64_t cell_idx) const { return cell_idx % cols == 0; }
  bool is_in_first_row(int64_t cell_idx) const { return cell_idx / cols % rows == 0; }
};

/// Pixels as 8-bit levels, those of a cell together: they lie pages apart in a batch, and are floats.
struct PackedCells {
  CellGrid grid;
  size_t stride = 0;  // of cells, whole vectors
  std::unique_ptr<uint8_t[]> levels;

  PackedCells(CellGrid cells, size_t cell_bytes)
      : grid(cells), stride(cell_bytes), levels(std::make_unique_for_overwrite<uint8_t[]>(stride * grid.num_cells())) {}

  uint8_t* at(int64_t cell_idx) const { return levels.get() + static_cast<size_t>(cell_idx) * stride; }
  int difference(int64_t cell_idx, int64_t other_idx, int limit) const {
    return difference_of(at(cell_idx), at(other_idx), stride, limit);
  }
  int difference_from_left(int64_t cell_idx, int limit) const { return difference(cell_idx, cell_idx - 1, limit); }
  int difference_from_above(int64_t cell_idx, int limit) const {
    return difference(cell_idx, cell_idx - grid.cols, limit);
  }
};

/// Cells of a picture, where they are. The last of a row and of a column may be smaller.
struct ImageCells {
  const Image& image;
  const SquaredDifferences* squares;  // null: not known
  ImageSize cell;
  CellGrid grid;

  ImageCells(const Image& pixels, ImageSize size, const SquaredDifferences* known)
      : image(pixels),
        squares(known),
        cell{std::min(size.width, image.width), std::min(size.height, image.height)},
        grid{1, (image.height + cell.height - 1) / cell.height, (image.width + cell.width - 1) / cell.width} {}

  int left_of(int64_t cell_idx) const { return static_cast<int>(cell_idx % grid.cols) * cell.width; }
  int top_of(int64_t cell_idx) const { return static_cast<int>(cell_idx / grid.cols) * cell.height; }
  int width_of(int64_t cell_idx) const { return std::min(cell.width, image.width - left_of(cell_idx)); }
  int height_of(int64_t cell_idx) const { return std::min(cell.height, image.height - top_of(cell_idx)); }

  /// Over the first cell's part of the picture; the second is no smaller.
  int difference(int64_t cell_idx, int64_t other_idx, int limit) const {
    const auto num_bytes = static_cast<size_t>(width_of(cell_idx)) * 3;
    const int height = height_of(cell_idx);
    int largest = 0;
    for (int y = 0; y < height && largest < kDiffers; ++y) {
      const uint8_t* row = image.pixel(left_of(cell_idx), top_of(cell_idx) + y);
      const uint8_t* other = image.pixel(left_of(other_idx), top_of(other_idx) + y);
      largest = std::max(largest, difference_of(row, other, num_bytes, limit));
    }
    return largest;
  }
  int difference_from_left(int64_t cell_idx, int limit) const {
    const int64_t other_idx = cell_idx - 1;
    if (squares == nullptr) return difference(cell_idx, other_idx, limit);
    return difference_if_close(cell_idx, other_idx, squares->from_left[static_cast<size_t>(cell_idx)], limit);
  }
  int difference_from_above(int64_t cell_idx, int limit) const {
    const int64_t other_idx = cell_idx - grid.cols;
    if (squares == nullptr) return difference(cell_idx, other_idx, limit);
    return difference_if_close(cell_idx, other_idx, squares->from_above[static_cast<size_t>(cell_idx)], limit);
  }

 private:
  /// The largest of some values is at least their root mean square.
  int difference_if_close(int64_t cell_idx, int64_t other_idx, int64_t sum_of_squares, int limit) const {
    if (sum_of_squares == 0) return 0;
    const int64_t num_values = int64_t{width_of(cell_idx)} * height_of(cell_idx) * 3;
    if (sum_of_squares > num_values * limit * limit) return kDiffers;
    return difference(cell_idx, other_idx, limit);
  }
};

size_t packed_row_size(int count) {
  return (static_cast<size_t>(count) + kLanes - 1) / kLanes * kLanes;
}

/// A row of normalised values of one channel as the levels they were made of; four values go to every fourth byte of a
/// vector each, which is the same order in all cells. Zeros at the end.
void pack_row(const float* values, int count, float scale, float offset, uint8_t* levels) {
  for (; count > 0; count -= static_cast<int>(kLanes), values += kLanes, levels += kLanes) {
    Ints packed = {};
    for (int quarter = 0; quarter < 4 && count > quarter * 4; ++quarter) {
      Floats x = {};
      if (count >= quarter * 4 + 4) {
        std::memcpy(&x, values + quarter * 4, sizeof(x));
      } else {
        std::memcpy(&x, values + quarter * 4, static_cast<size_t>(count % 4) * sizeof(float));
      }
      packed |= __builtin_convertvector(x * scale + offset, Ints) << quarter * 8;
    }
    std::memcpy(levels, &packed, sizeof(packed));
  }
}

PackedCells pack_cells(const PixelBatch& pixels, ImageSize cell, const Normalization& normalization, ThreadPool& pool) {
  const int rows = pixels.height() / cell.height;
  const int cols = pixels.width() / cell.width;
  const size_t row_bytes = packed_row_size(cell.width);
  // The three planes of a cell one below the other.
  PackedCells packed({pixels.num_tiles(), rows, cols}, row_bytes * static_cast<size_t>(cell.height) * 3);
  const int64_t row_size = pixels.width();
  const int64_t plane_size = row_size * pixels.height();
  const float* values = pixels.pixels.floats().data();
  pool.parallel_for(int64_t{packed.grid.num_tiles} * rows, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t c = 0; c < 3; ++c) {
        const float scale = 255 * normalization.std[static_cast<size_t>(c)];
        const float offset = 255 * normalization.mean[static_cast<size_t>(c)] + 0.5f;
        for (int64_t y = 0; y < cell.height; ++y) {
          const float* from = values + (i / rows * 3 + c) * plane_size + (i % rows * cell.height + y) * row_size;
          for (int col = 0; col < cols; ++col, from += cell.width) {
            uint8_t* to = packed.at(i * cols + col) + static_cast<size_t>(c * cell.height + y) * row_bytes;
            pack_row(from, cell.width, scale, offset, to);
          }
        }
      }
    }
  });
  return packed;
}

/// [num_cells], how far each cell is from its neighbours, in levels; kDiffers over the widest limit or without a
/// neighbour.
struct Differences {
  std::vector<int> left;
  std::vector<int> up;
};

template <typename Cells>
Differences compare_neighbours(const Cells& cells, int limit, ThreadPool& pool) {
  const CellGrid& grid = cells.grid;
  const size_t num_cells = grid.num_cells();
  Differences differences{std::vector<int>(num_cells, kDiffers), std::vector<int>(num_cells, kDiffers)};
  pool.parallel_for(int64_t{grid.num_tiles} * grid.rows, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t cell = begin * grid.cols; cell < end * grid.cols; ++cell) {
      const auto i = static_cast<size_t>(cell);
      if (!grid.is_in_first_col(cell)) differences.left[i] = cells.difference_from_left(cell, limit);
      if (!grid.is_in_first_row(cell)) differences.up[i] = cells.difference_from_above(cell, limit);
    }
  });
  return differences;
}

/// The neighbour that predicts a cell, which is not the first of its tile.
struct Prediction {
  int64_t cell_idx;
  int difference;  // the cell's from it
};

Prediction predict(const CellGrid& grid, const Differences& differences, int limit, int64_t cell_idx) {
  const auto i = static_cast<size_t>(cell_idx);
  const auto cols = static_cast<size_t>(grid.cols);
  const Prediction from_left = {cell_idx - 1, differences.left[i]};
  const Prediction from_above = {cell_idx - grid.cols, differences.up[i]};
  if (grid.is_in_first_col(cell_idx)) return from_above;
  if (grid.is_in_first_row(cell_idx)) return from_left;
  const bool left_equals_corner = differences.up[i - 1] <= limit;
  const bool above_equals_corner = differences.left[i - cols] <= limit;
  return left_equals_corner && !above_equals_corner ? from_above : from_left;
}

/// [num_cells], the kept cell that each stands for.
template <typename Cells>
std::vector<int32_t> follow_predictions(const Cells& cells, const Differences& differences, int limit,
                                        ThreadPool& pool) {
  std::vector<int32_t> stands_for(differences.left.size());
  std::vector<int> from_kept(differences.left.size());  // at most, in levels
  const int64_t cells_per_tile = cells.grid.cells_per_tile();
  pool.parallel_for(cells.grid.num_tiles, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t cell = begin * cells_per_tile; cell < end * cells_per_tile; ++cell) {
      const auto i = static_cast<size_t>(cell);
      stands_for[i] = static_cast<int32_t>(cell);
      if (cell % cells_per_tile == 0) continue;
      const Prediction prediction = predict(cells.grid, differences, limit, cell);
      if (prediction.difference > limit) continue;
      const auto predictor = static_cast<size_t>(prediction.cell_idx);
      int difference = prediction.difference + from_kept[predictor];
      if (difference > limit) difference = cells.difference(cell, stands_for[predictor], limit);
      if (difference > limit) continue;
      stands_for[i] = stands_for[predictor];
      from_kept[i] = difference;
    }
  });
  return stands_for;
}

int limit_of(LevelTolerance tolerance) {
  assert(tolerance.levels >= 0);
  return std::min(tolerance.levels, kDiffers - 1);
}

PatchPruning count_kept(std::vector<int32_t> stands_for) {
  PatchPruning pruning;
  pruning.stands_for = std::move(stands_for);
  pruning.is_seen.resize(pruning.stands_for.size());
  pruning.weights.resize(pruning.stands_for.size());
  for (size_t i = 0; i < pruning.stands_for.size(); ++i) {
    const auto kept = static_cast<size_t>(pruning.stands_for[i]);
    pruning.weights[kept] += 1;
    pruning.is_seen[i] = kept == i ? 1 : 0;
    pruning.num_seen += pruning.is_seen[i];
  }
  return pruning;
}

template <typename Cells>
PatchPruning prune_cells(const Cells& cells, const Differences& differences, int limit, ThreadPool& pool) {
  return count_kept(follow_predictions(cells, differences, limit, pool));
}

/// What is seen, or shares an edge with a cell that is.
std::vector<uint8_t> widened(const std::vector<uint8_t>& is_seen, int rows, int cols) {
  std::vector<uint8_t> wide = is_seen;
  for (size_t i = 0; i < is_seen.size(); ++i) {
    if (is_seen[i] == 0) continue;
    const int row = static_cast<int>(i) / cols % rows;
    const int col = static_cast<int>(i) % cols;
    if (col > 0) wide[i - 1] = 1;
    if (col + 1 < cols) wide[i + 1] = 1;
    if (row > 0) wide[i - static_cast<size_t>(cols)] = 1;
    if (row + 1 < rows) wide[i + static_cast<size_t>(cols)] = 1;
  }
  return wide;
}

std::vector<PatchPruning> prune_image(const Image& image, ImageSize cell, const SquaredDifferences* squares,
                                      std::span<const LevelTolerance> tolerances, ThreadPool& pool) {
  assert(cell.width >= 1 && cell.height >= 1);
  if (image.width == 0 || image.height == 0) return std::vector<PatchPruning>(tolerances.size());
  const ImageCells cells(image, cell, squares);
  int widest = 0;
  for (const LevelTolerance tolerance : tolerances) widest = std::max(widest, limit_of(tolerance));
  const Differences differences = compare_neighbours(cells, widest, pool);
  std::vector<PatchPruning> prunings;
  for (const LevelTolerance tolerance : tolerances) {
    prunings.push_back(prune_cells(cells, differences, limit_of(tolerance), pool));
  }
  return prunings;
}

}  // namespace

PatchPruning with_margin(const PatchPruning& pruning, int rows, int cols, int margin) {
  std::vector<uint8_t> is_seen = pruning.is_seen;
  for (int i = 0; i < std::min(margin, rows + cols); ++i) is_seen = widened(is_seen, rows, cols);
  std::vector<int32_t> stands_for = pruning.stands_for;
  for (size_t i = 0; i < is_seen.size(); ++i) {
    if (is_seen[i] != 0) stands_for[i] = static_cast<int32_t>(i);
  }
  return count_kept(std::move(stands_for));
}

PatchPruning prune_equal_patches(const PixelBatch& pixels, ImageSize cell, const Normalization& normalization,
                                 LevelTolerance tolerance, ThreadPool& pool) {
  assert(cell.width >= 1 && cell.width <= pixels.width() && cell.height >= 1 && cell.height <= pixels.height());
  const PackedCells cells = pack_cells(pixels, cell, normalization, pool);
  const int limit = limit_of(tolerance);
  return prune_cells(cells, compare_neighbours(cells, limit, pool), limit, pool);
}

std::vector<PatchPruning> prune_equal_patches(const Image& image, ImageSize cell,
                                              std::span<const LevelTolerance> tolerances, ThreadPool& pool) {
  return prune_image(image, cell, nullptr, tolerances, pool);
}

std::vector<PatchPruning> prune_equal_patches(const Image& image, ImageSize cell, const SquaredDifferences& squares,
                                              std::span<const LevelTolerance> tolerances, ThreadPool& pool) {
  return prune_image(image, cell, &squares, tolerances, pool);
}

}  // namespace saccade
