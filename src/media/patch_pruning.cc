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

/// Pixels as 8-bit levels, those of a cell together: a cell's rows lie pages apart in a picture.
struct PackedCells {
  int num_tiles = 0;
  int rows = 0;  // of cells, in each tile
  int cols = 0;
  ImageSize cell;     // in rows and bytes
  ImageSize last;     // the last of a row and of a column: may be smaller
  size_t stride = 0;  // of cells, whole vectors
  std::unique_ptr<uint8_t[]> levels;

  PackedCells(int tiles, ImageSize tile_bytes, ImageSize cell_bytes)
      : num_tiles(tiles),
        rows((tile_bytes.height + cell_bytes.height - 1) / cell_bytes.height),
        cols((tile_bytes.width + cell_bytes.width - 1) / cell_bytes.width),
        cell(cell_bytes),
        last{tile_bytes.width - (cols - 1) * cell_bytes.width, tile_bytes.height - (rows - 1) * cell_bytes.height},
        stride((static_cast<size_t>(cell.width) * static_cast<size_t>(cell.height) + kLanes - 1) / kLanes * kLanes),
        levels(std::make_unique_for_overwrite<uint8_t[]>(stride * num_cells())) {}

  size_t num_cells() const {
    return static_cast<size_t>(num_tiles) * static_cast<size_t>(rows) * static_cast<size_t>(cols);
  }
  int cells_per_tile() const { return rows * cols; }
  uint8_t* at(int64_t cell_idx) const { return levels.get() + static_cast<size_t>(cell_idx) * stride; }
  /// Of what is behind a cell's bytes, which is compared with them.
  void clear_slack(int64_t cell_idx) const {
    const auto size = static_cast<size_t>(cell.width) * static_cast<size_t>(cell.height);
    std::memset(at(cell_idx) + size, 0, stride - size);
  }
  int width_of(int col) const { return col + 1 < cols ? cell.width : last.width; }
  int height_of(int row) const { return row + 1 < rows ? cell.height : last.height; }

  /// Over the first cell's part of the picture; the second is no smaller.
  int difference(int64_t cell_idx, int64_t other_idx, int limit) const {
    const uint8_t* a = at(cell_idx);
    const uint8_t* b = at(other_idx);
    const int width = width_of(static_cast<int>(cell_idx % cols));
    const int height = height_of(static_cast<int>(cell_idx / cols % rows));
    if (width == cell.width && height == cell.height) return difference_of(a, b, stride, limit);
    int largest = 0;
    for (int y = 0; y < height && largest < kDiffers; ++y) {
      const int offset = y * cell.width;
      largest = std::max(largest, difference_of(a + offset, b + offset, static_cast<size_t>(width), limit));
    }
    return largest;
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
  const auto row_bytes = static_cast<int>(packed_row_size(cell.width));
  // The three planes of a cell one below the other.
  PackedCells packed(pixels.num_tiles(), {cols * row_bytes, rows * cell.height * 3}, {row_bytes, cell.height * 3});
  const int64_t row_size = pixels.width();
  const int64_t plane_size = row_size * pixels.height();
  const float* values = pixels.pixels.floats().data();
  pool.parallel_for(int64_t{packed.num_tiles} * rows, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      for (int col = 0; col < cols; ++col) packed.clear_slack(i * cols + col);
      for (int64_t c = 0; c < 3; ++c) {
        const float scale = 255 * normalization.std[static_cast<size_t>(c)];
        const float offset = 255 * normalization.mean[static_cast<size_t>(c)] + 0.5f;
        for (int64_t y = 0; y < cell.height; ++y) {
          const float* from = values + (i / rows * 3 + c) * plane_size + (i % rows * cell.height + y) * row_size;
          for (int col = 0; col < cols; ++col, from += cell.width) {
            pack_row(from, cell.width, scale, offset, packed.at(i * cols + col) + (c * cell.height + y) * row_bytes);
          }
        }
      }
    }
  });
  return packed;
}

PackedCells pack_cells(const Image& image, ImageSize cell, ThreadPool& pool) {
  PackedCells packed(1, {image.width * 3, image.height}, {cell.width * 3, cell.height});
  pool.parallel_for(packed.rows, 1, [&](int64_t begin, int64_t end, int) {
    for (auto row = static_cast<int>(begin); row < end; ++row) {
      for (int col = 0; col < packed.cols; ++col) packed.clear_slack(int64_t{row} * packed.cols + col);
      for (int y = 0; y < packed.height_of(row); ++y) {
        const uint8_t* from = image.pixel(0, row * cell.height + y);
        for (int col = 0; col < packed.cols; ++col, from += packed.cell.width) {
          uint8_t* to = packed.at(int64_t{row} * packed.cols + col) + static_cast<ptrdiff_t>(y) * packed.cell.width;
          std::memcpy(to, from, static_cast<size_t>(packed.width_of(col)));
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

Differences compare_neighbours(const PackedCells& cells, int limit, ThreadPool& pool) {
  const int64_t num_rows = int64_t{cells.num_tiles} * cells.rows;
  const auto num_cells = static_cast<size_t>(num_rows * cells.cols);
  Differences differences{std::vector<int>(num_cells, kDiffers), std::vector<int>(num_cells, kDiffers)};
  pool.parallel_for(num_rows, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t cell = begin * cells.cols; cell < end * cells.cols; ++cell) {
      const auto i = static_cast<size_t>(cell);
      if (cell % cells.cols > 0) differences.left[i] = cells.difference(cell, cell - 1, limit);
      if (cell / cells.cols % cells.rows > 0) differences.up[i] = cells.difference(cell, cell - cells.cols, limit);
    }
  });
  return differences;
}

/// The neighbour that predicts a cell, which is not the first of its tile.
struct Prediction {
  int64_t cell_idx;
  int difference;  // the cell's from it
};

Prediction predict(const PackedCells& cells, const Differences& differences, int limit, int64_t cell_idx) {
  const auto i = static_cast<size_t>(cell_idx);
  const auto cols = static_cast<size_t>(cells.cols);
  const Prediction from_left = {cell_idx - 1, differences.left[i]};
  const Prediction from_above = {cell_idx - cells.cols, differences.up[i]};
  if (i % cols == 0) return from_above;
  if (cell_idx / cells.cols % cells.rows == 0) return from_left;
  const bool left_equals_corner = differences.up[i - 1] <= limit;
  const bool above_equals_corner = differences.left[i - cols] <= limit;
  return left_equals_corner && !above_equals_corner ? from_above : from_left;
}

/// [num_cells], the kept cell that each stands for.
std::vector<int32_t> follow_predictions(const PackedCells& cells, const Differences& differences, int limit,
                                        ThreadPool& pool) {
  std::vector<int32_t> stands_for(differences.left.size());
  std::vector<int> from_kept(differences.left.size());  // at most, in levels
  pool.parallel_for(cells.num_tiles, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t cell = begin * cells.cells_per_tile(); cell < end * cells.cells_per_tile(); ++cell) {
      const auto i = static_cast<size_t>(cell);
      stands_for[i] = static_cast<int32_t>(cell);
      if (cell % cells.cells_per_tile() == 0) continue;
      const Prediction prediction = predict(cells, differences, limit, cell);
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

PatchPruning prune_cells(const PackedCells& cells, const Differences& differences, int limit, ThreadPool& pool) {
  PatchPruning pruning;
  pruning.stands_for = follow_predictions(cells, differences, limit, pool);
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

}  // namespace

PatchPruning prune_equal_patches(const PixelBatch& pixels, ImageSize cell, const Normalization& normalization,
                                 LevelTolerance tolerance, ThreadPool& pool) {
  assert(cell.width >= 1 && cell.width <= pixels.width() && cell.height >= 1 && cell.height <= pixels.height());
  const PackedCells cells = pack_cells(pixels, cell, normalization, pool);
  const int limit = limit_of(tolerance);
  return prune_cells(cells, compare_neighbours(cells, limit, pool), limit, pool);
}

std::vector<PatchPruning> prune_equal_patches(const Image& image, ImageSize cell,
                                              std::span<const LevelTolerance> tolerances, ThreadPool& pool) {
  assert(cell.width >= 1 && cell.height >= 1);
  if (image.width == 0 || image.height == 0) return std::vector<PatchPruning>(tolerances.size());
  const PackedCells cells =
      pack_cells(image, {std::min(cell.width, image.width), std::min(cell.height, image.height)}, pool);
  int widest = 0;
  for (const LevelTolerance tolerance : tolerances) widest = std::max(widest, limit_of(tolerance));
  const Differences differences = compare_neighbours(cells, widest, pool);
  std::vector<PatchPruning> prunings;
  for (const LevelTolerance tolerance : tolerances) {
    prunings.push_back(prune_cells(cells, differences, limit_of(tolerance), pool));
  }
  return prunings;
}

}  // namespace saccade
