#include "media/redundancy.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <utility>

#include "media/byte_difference.h"
#include "media/color_histogram.h"
#include "media/redundancy_loops.h"

namespace saccade {

namespace {

constexpr int kBackgroundLevels = 8;

/// Sums over one height of windows: single rows, pairs or fours of rows.
struct WindowSums {
  std::vector<int64_t> columns;  // [width * 3], of the values in the rows that were used
  int64_t squares = 0;           // of the windows' sums
  int64_t num_rows = 0;          // of windows

  void add(const WindowSums& other) {
    for (size_t i = 0; i < columns.size(); ++i) columns[i] += other.columns[i];
    squares += other.squares;
    num_rows += other.num_rows;
  }
};

struct PixelSums {
  WindowSums single;  // windows of 1 x 1
  WindowSums pairs;   // of 2 x 2
  WindowSums fours;   // of 4 x 4
  int64_t num_edges = 0;

  explicit PixelSums(int row_bytes) {
    for (WindowSums* sums : {&single, &pairs, &fours}) sums->columns.resize(static_cast<size_t>(row_bytes));
  }
  void add(const PixelSums& other) {
    single.add(other.single);
    pairs.add(other.pairs);
    fours.add(other.fours);
    num_edges += other.num_edges;
  }
};

/// The rows [begin, end), `begin` a multiple of 4.
void sum_rows(const RedundancyLoops& loops, const Image& image, int begin, int end, PixelSums& sums) {
  const int row_bytes = image.width * 3;
  const auto size = static_cast<size_t>(row_bytes);
  std::vector<int16_t> pair(size);
  std::vector<int16_t> four(size);
  std::vector<int32_t> columns(size);  // of whole fours
  for (int y = begin; y < end; ++y) {
    const uint8_t* row = image.pixel(0, y);
    const uint8_t* below = y + 1 < image.height ? image.pixel(0, y + 1) : row;
    sums.single.squares += loops.sum_of_squares(row, row_bytes);
    sums.num_edges += loops.count_edges(row, below, row_bytes);
    if (y % 2 == 0) continue;
    sums.pairs.squares += loops.add_pair(image.pixel(0, y - 1), row, row_bytes, pair.data());
    if (y % 4 == 1) {
      four = pair;
      continue;
    }
    sums.fours.squares += loops.add_four(pair.data(), row_bytes, four.data(), columns.data());
  }
  const auto finish = [&](WindowSums& window, int height) {
    for (size_t i = 0; i < size; ++i) window.columns[i] += columns[i];
    window.num_rows += end / height - begin / height;
  };
  finish(sums.fours, 4);
  if (end % 4 >= 2) {
    for (size_t i = 0; i < size; ++i) columns[i] += pair[i];
  }
  finish(sums.pairs, 2);
  if (end % 2 == 1) {
    const uint8_t* row = image.pixel(0, end - 1);
    for (size_t i = 0; i < size; ++i) columns[i] += row[i];
  }
  finish(sums.single, 1);
}

PixelSums sum_pixels(const RedundancyLoops& loops, const Image& image, ThreadPool& pool) {
  constexpr int kBand = 64;  // rows, a multiple of 4
  PixelSums total(image.width * 3);
  std::mutex mutex;
  pool.parallel_for((image.height + kBand - 1) / kBand, 4, [&](int64_t begin, int64_t end, int) {
    PixelSums sums(image.width * 3);
    const auto last = static_cast<int>(std::min<int64_t>(end * kBand, image.height));
    sum_rows(loops, image, static_cast<int>(begin) * kBand, last, sums);
    const std::lock_guard lock(mutex);
    total.add(sums);
  });
  return total;
}

/// Mean over the windows of the squared distance of their mean from the mean of all, summed over the channels. Negative
/// where there is no window.
double window_variance(const WindowSums& sums, int width, int side) {
  const int64_t windows_per_row = width - side + 1;
  if (windows_per_row < 1 || sums.num_rows < 1) return -1;
  const double num_windows = static_cast<double>(windows_per_row) * static_cast<double>(sums.num_rows);
  const double num_values = static_cast<double>(side) * side;
  double variance = static_cast<double>(sums.squares) / (num_values * num_values) / num_windows;
  for (size_t c = 0; c < 3; ++c) {
    int64_t sum = 0;  // of the windows' sums: each column is in up to `side` windows
    for (int x = 0; x < width; ++x) {
      const int64_t num_uses = std::min<int64_t>({side, x + 1, width - x, windows_per_row});
      sum += num_uses * sums.columns[static_cast<size_t>(x) * 3 + c];
    }
    const double mean = static_cast<double>(sum) / num_values / num_windows;
    variance -= mean * mean;
  }
  return std::max(variance, 0.0);
}

double surviving_share(double window_variance, double variance) {
  if (variance <= 0) return 1;
  return window_variance < 0 ? 0 : std::min(window_variance / variance, 1.0);
}

/// Of every 4th pixel in every 4th row.
Color dominant_color(const Image& image) {
  constexpr int kStep = 4;
  ColorHistogram histogram;
  for (int y = 0; y < image.height; y += kStep) {
    for (int x = 0; x < image.width; x += kStep) histogram.add(image.pixel(x, y));
  }
  return histogram.dominant();
}

double entropy_bits(const CellSums& cell) {
  uint32_t total = 0;
  for (const auto& half : cell.greens) total = std::reduce(half.begin(), half.end(), total);
  double bits = 0;
  for (const auto& half : cell.greens) {
    for (const uint32_t count : half) {
      if (count == 0) continue;
      const double share = static_cast<double>(count) / total;
      bits -= share * std::log2(share);
    }
  }
  return bits;
}

/// A cell's part of the picture.
struct CellArea {
  int left, top, width, height;
};

struct Grid {
  ImageSize image;
  ImageSize cell;
  int rows;
  int cols;

  CellArea area(int row, int col) const {
    const int left = col * cell.width;
    const int top = row * cell.height;
    return {left, top, std::min(cell.width, image.width - left), std::min(cell.height, image.height - top)};
  }
};

int64_t sum_of_lanes(const std::array<uint64_t, 4>& lanes) {
  return static_cast<int64_t>(std::reduce(lanes.begin(), lanes.end()));
}

/// What is measured of each cell. [rows * cols]
struct CellFacts {
  SquaredDifferences squares;
  std::vector<double> entropy;
  std::vector<uint8_t> is_background;

  explicit CellFacts(size_t num_cells)
      : squares{std::vector<int64_t>(num_cells), std::vector<int64_t>(num_cells)},
        entropy(num_cells),
        is_background(num_cells, 1) {}
};

/// A row of cells, its rows of pixels from left to right, as they lie in memory. `background` is as wide as a cell.
void measure_cell_row(const RedundancyLoops& loops, const Image& image, const Grid& grid, int row,
                      const std::vector<uint8_t>& background, CellFacts& facts) {
  const auto cols = static_cast<size_t>(grid.cols);
  const size_t first = static_cast<size_t>(row) * cols;
  std::vector<CellSums> sums(cols);
  const int top = grid.area(row, 0).top;
  const int height = grid.area(row, 0).height;
  CellRow pixels = {.num_bytes = image.width * 3, .cell_bytes = grid.cell.width * 3};
  for (int y = top; y < top + height; ++y) {
    pixels.pixels = image.pixel(0, y);
    pixels.below = y + grid.cell.height < image.height ? image.pixel(0, y + grid.cell.height) : nullptr;
    pixels.num_readable = static_cast<int>(
        std::min<int64_t>(int64_t{image.height - y} * pixels.num_bytes, std::numeric_limits<int>::max()));
    loops.add_differences(pixels, sums.data());
    if ((y - top) % 2 == 0) loops.add_greens(pixels, sums.data());
    for (int col = 0; col < grid.cols; ++col) {
      uint8_t& is_background = facts.is_background[first + static_cast<size_t>(col)];
      if (is_background == 0) continue;
      const CellArea cell = grid.area(row, col);
      const int difference =
          largest_difference(image.pixel(cell.left, y), background.data(), static_cast<size_t>(cell.width) * 3);
      if (difference > kBackgroundLevels) is_background = 0;
    }
  }
  for (size_t col = 0; col < cols; ++col) {
    facts.entropy[first + col] = entropy_bits(sums[col]);
    if (col + 1 < cols) facts.squares.from_left[first + col + 1] = sum_of_lanes(sums[col].right);
    if (row + 1 < grid.rows) facts.squares.from_above[first + cols + col] = sum_of_lanes(sums[col].down);
  }
}

CellFacts measure_cells(const RedundancyLoops& loops, const Image& image, const Grid& grid, const Color& background,
                        ThreadPool& pool) {
  CellFacts facts(static_cast<size_t>(grid.rows) * static_cast<size_t>(grid.cols));
  std::vector<uint8_t> background_row(static_cast<size_t>(grid.cell.width) * 3);
  for (size_t i = 0; i < background_row.size(); ++i) background_row[i] = background[i % 3];
  pool.parallel_for(grid.rows, 1, [&](int64_t begin, int64_t end, int) {
    for (auto row = static_cast<int>(begin); row < end; ++row) {
      measure_cell_row(loops, image, grid, row, background_row, facts);
    }
  });
  return facts;
}

/// The two sums over pairs of neighbours that a correlation is made of.
struct PairSums {
  int64_t squares = 0;
  int64_t num_pixels = 0;

  void add(int64_t more_squares, int64_t more_pixels) {
    squares += more_squares;
    num_pixels += more_pixels;
  }
  double correlation(double variance) const {
    if (num_pixels == 0) return 0;
    if (variance <= 0) return 1;
    return 1 - static_cast<double>(squares) / static_cast<double>(num_pixels) / (2 * variance);
  }
};

void set_similarity(const Grid& grid, const SquaredDifferences& squares, double variance, Redundancy& redundancy) {
  std::vector<PairSums> of_cell(squares.from_left.size());
  PairSums all;
  const auto add_pair = [&](size_t a, size_t b, int64_t sum, int64_t num_pixels) {
    of_cell[a].add(sum, num_pixels);
    of_cell[b].add(sum, num_pixels);
    all.add(sum, num_pixels);
  };
  for (int row = 0; row < grid.rows; ++row) {
    for (int col = 0; col < grid.cols; ++col) {
      const auto cols = static_cast<size_t>(grid.cols);
      const auto i = static_cast<size_t>(row) * cols + static_cast<size_t>(col);
      const CellArea cell = grid.area(row, col);
      const int64_t num_pixels = int64_t{cell.width} * cell.height;
      if (col > 0) add_pair(i, i - 1, squares.from_left[i], num_pixels);
      if (row > 0) add_pair(i, i - cols, squares.from_above[i], num_pixels);
    }
  }
  redundancy.neighbour_correlation = all.correlation(variance);
  for (const PairSums& pairs : of_cell) {
    redundancy.similarity.push_back(static_cast<float>(std::max(pairs.correlation(variance), 0.0)));
  }
}

}  // namespace

Redundancy measure_redundancy(const Image& image, ImageSize cell, ThreadPool& pool) {
  assert(cell.width >= 1 && cell.height >= 1);
  Redundancy redundancy;
  if (image.width == 0 || image.height == 0) return redundancy;
  const ImageSize within = {std::min(cell.width, image.width), std::min(cell.height, image.height)};
  const Grid grid = {image.size(), within, (image.height + within.height - 1) / within.height,
                     (image.width + within.width - 1) / within.width};
  redundancy.rows = grid.rows;
  redundancy.cols = grid.cols;
  const RedundancyLoops& loops = redundancy_loops().front();
  const PixelSums pixels = sum_pixels(loops, image, pool);
  const double variance = window_variance(pixels.single, image.width, 1);
  redundancy.survives_half = surviving_share(window_variance(pixels.pairs, image.width, 2), variance);
  redundancy.survives_quarter = surviving_share(window_variance(pixels.fours, image.width, 4), variance);
  redundancy.edge_share = static_cast<double>(pixels.num_edges) / static_cast<double>(image.rgb.size());
  redundancy.background = dominant_color(image);
  const CellFacts cells = measure_cells(loops, image, grid, redundancy.background, pool);
  set_similarity(grid, cells.squares, variance, redundancy);
  const double num_cells = redundancy.num_cells();
  for (const double bits : cells.entropy) redundancy.cell_entropy_bits += bits / num_cells;
  redundancy.background_share = static_cast<double>(std::ranges::count(cells.is_background, 1)) / num_cells;
  constexpr std::array kTolerances = {LevelTolerance{0}, LevelTolerance{8}};
  std::vector<PatchPruning> prunings = prune_equal_patches(image, within, cells.squares, kTolerances, pool);
  redundancy.exact = std::move(prunings[0]);
  redundancy.within_8 = std::move(prunings[1]);
  redundancy.unique_share = redundancy.exact.num_seen / num_cells;
  redundancy.unique_share_within_8 = redundancy.within_8.num_seen / num_cells;
  return redundancy;
}

}  // namespace saccade
