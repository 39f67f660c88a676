// The loops over rows are of 16-bit products and byte differences, which the compiler makes vectors of.
#include "media/redundancy.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>

#include "media/byte_difference.h"
#include "media/color_histogram.h"

namespace saccade {

namespace {

typedef uint8_t Bytes __attribute__((vector_size(16)));

constexpr int kBackgroundLevels = 8;
constexpr int kEdgeLevels = 24;
constexpr int kEntropyBins = 16;

/// sum (a[i] - b[i])^2 of up to 2^15 bytes.
int64_t squared_difference(const uint8_t* a, const uint8_t* b, int count) {
  uint32_t sum = 0;
  for (int i = 0; i < count; ++i) {
    const auto difference = static_cast<int16_t>(a[i] - b[i]);
    sum += static_cast<uint32_t>(difference * difference);
  }
  return sum;
}

/// sum x[i]^2, taken in pieces that do not overflow: each x is at most `largest`.
template <typename Value, typename Term>
int64_t sum_of_squares(const Value* values, int count, int largest, Term term) {
  const int piece = static_cast<int>((uint32_t{1} << 31) / static_cast<uint32_t>(largest * largest));
  int64_t total = 0;
  for (int begin = 0; begin < count; begin += piece) {
    int32_t sum = 0;
    for (int i = begin; i < std::min(begin + piece, count); ++i) {
      const int16_t x = term(values + i);
      sum += x * x;
    }
    total += sum;
  }
  return total;
}

/// How many of `count` values differ from the next pixel's or the one below by more than kEdgeLevels.
int64_t count_edges(const uint8_t* row, const uint8_t* below, int count) {
  int64_t total = 0;
  int i = 0;
  while (i + 16 <= count) {
    Bytes counts = {};
    for (int step = 0; step < 255 && i + 16 <= count; ++step, i += 16) {
      Bytes x;
      Bytes right;
      Bytes down;
      std::memcpy(&x, row + i, sizeof(x));
      std::memcpy(&right, row + i + 3, sizeof(right));
      std::memcpy(&down, below + i, sizeof(down));
      const Bytes high = x > right ? x : right;
      const Bytes low = x < right ? x : right;
      const Bytes high_down = x > down ? x : down;
      const Bytes low_down = x < down ? x : down;
      const Bytes across = high - low;
      const Bytes along = high_down - low_down;
      const Bytes largest = across > along ? across : along;
      counts -= __builtin_convertvector(largest > static_cast<uint8_t>(kEdgeLevels), Bytes);  // a mask of -1
    }
    for (size_t lane = 0; lane < 16; ++lane) total += counts[lane];
  }
  for (; i < count; ++i) {
    const int largest = std::max(std::abs(row[i] - row[i + 3]), std::abs(row[i] - below[i]));
    total += largest > kEdgeLevels ? 1 : 0;
  }
  return total;
}

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
void sum_rows(const Image& image, int begin, int end, PixelSums& sums) {
  const int row_bytes = image.width * 3;
  const auto size = static_cast<size_t>(row_bytes);
  std::vector<int16_t> pair(size);
  std::vector<int16_t> four(size);
  std::vector<int32_t> columns(size);  // of whole fours
  for (int y = begin; y < end; ++y) {
    const uint8_t* row = image.pixel(0, y);
    sums.single.squares += sum_of_squares(row, row_bytes, 255, [](const uint8_t* x) -> int16_t { return *x; });
    const uint8_t* below = y + 1 < image.height ? image.pixel(0, y + 1) : row;
    sums.num_edges += count_edges(row, below, row_bytes - 3);
    for (int i = std::max(row_bytes - 3, 0); i < row_bytes; ++i) {  // nothing to the right
      sums.num_edges += std::abs(row[i] - below[i]) > kEdgeLevels ? 1 : 0;
    }
    if (y % 2 == 0) continue;
    const uint8_t* above = image.pixel(0, y - 1);
    for (size_t i = 0; i < size; ++i) pair[i] = static_cast<int16_t>(above[i] + row[i]);
    sums.pairs.squares += sum_of_squares(pair.data(), row_bytes - 3, 4 * 255,
                                         [](const int16_t* x) -> int16_t { return static_cast<int16_t>(x[0] + x[3]); });
    if (y % 4 == 1) {
      four = pair;
      continue;
    }
    for (size_t i = 0; i < size; ++i) four[i] = static_cast<int16_t>(four[i] + pair[i]);
    for (size_t i = 0; i < size; ++i) columns[i] += four[i];
    sums.fours.squares += sum_of_squares(four.data(), row_bytes - 9, 16 * 255, [](const int16_t* x) -> int16_t {
      return static_cast<int16_t>(x[0] + x[3] + x[6] + x[9]);
    });
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

PixelSums sum_pixels(const Image& image, ThreadPool& pool) {
  constexpr int kBand = 64;  // rows, a multiple of 4
  PixelSums total(image.width * 3);
  std::mutex mutex;
  pool.parallel_for((image.height + kBand - 1) / kBand, 4, [&](int64_t begin, int64_t end, int) {
    PixelSums sums(image.width * 3);
    const auto last = static_cast<int>(std::min<int64_t>(end * kBand, image.height));
    sum_rows(image, static_cast<int>(begin) * kBand, last, sums);
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

double entropy_bits(const std::array<int, kEntropyBins>& counts) {
  int total = 0;
  for (const int count : counts) total += count;
  double bits = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / total;
    bits -= share * std::log2(share);
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

/// What is measured of each cell. [rows * cols]
struct CellSums {
  std::vector<int64_t> right;  // squared difference from the right neighbour, over the part that both have
  std::vector<int64_t> down;   // from the one below
  std::vector<float> entropy;
  std::vector<uint8_t> is_background;

  explicit CellSums(size_t num_cells)
      : right(num_cells), down(num_cells), entropy(num_cells), is_background(num_cells, 1) {}
};

using LevelCounts = std::array<int, kEntropyBins>;

void count_green(const uint8_t* row, int width, LevelCounts& counts) {
  for (int x = 0; x < width; ++x) ++counts[row[static_cast<ptrdiff_t>(x) * 3 + 1] / (256 / kEntropyBins)];
}

/// A row of cells, its rows of pixels from left to right, as they lie in memory.
void sum_cell_row(const Image& image, const Grid& grid, int row, const std::vector<uint8_t>& background,
                  CellSums& sums) {
  std::vector<LevelCounts> counts(static_cast<size_t>(grid.cols));
  const size_t first = static_cast<size_t>(row) * static_cast<size_t>(grid.cols);
  const int top = grid.area(row, 0).top;
  const int height = grid.area(row, 0).height;
  for (int y = top; y < top + height; ++y) {
    const bool has_below = row + 1 < grid.rows && y + grid.cell.height < image.height;
    for (int col = 0; col < grid.cols; ++col) {
      const size_t i = first + static_cast<size_t>(col);
      const CellArea cell = grid.area(row, col);
      const uint8_t* pixels = image.pixel(cell.left, y);
      if (col + 1 < grid.cols) {
        sums.right[i] += squared_difference(pixels, pixels + 3 * cell.width, 3 * grid.area(row, col + 1).width);
      }
      if (has_below) {
        sums.down[i] += squared_difference(pixels, image.pixel(cell.left, y + grid.cell.height), 3 * cell.width);
      }
      if ((y - top) % 2 == 0) count_green(pixels, cell.width, counts[static_cast<size_t>(col)]);
      if (sums.is_background[i] == 0) continue;
      const int difference = largest_difference(pixels, background.data(), static_cast<size_t>(cell.width) * 3);
      if (difference > kBackgroundLevels) sums.is_background[i] = 0;
    }
  }
  for (size_t col = 0; col < counts.size(); ++col) {
    sums.entropy[first + col] = static_cast<float>(entropy_bits(counts[col]));
  }
}

CellSums sum_cells(const Image& image, const Grid& grid, const Color& background, ThreadPool& pool) {
  CellSums sums(static_cast<size_t>(grid.rows) * static_cast<size_t>(grid.cols));
  std::vector<uint8_t> background_row(static_cast<size_t>(grid.cell.width) * 3);
  for (size_t i = 0; i < background_row.size(); ++i) background_row[i] = background[i % 3];
  pool.parallel_for(grid.rows, 1, [&](int64_t begin, int64_t end, int) {
    for (auto row = static_cast<int>(begin); row < end; ++row) sum_cell_row(image, grid, row, background_row, sums);
  });
  return sums;
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

void set_similarity(const Grid& grid, const CellSums& sums, double variance, Redundancy& redundancy) {
  std::vector<PairSums> of_cell(sums.right.size());
  PairSums all;
  const auto add_pair = [&](size_t a, size_t b, int64_t squares, int64_t num_pixels) {
    of_cell[a].add(squares, num_pixels);
    of_cell[b].add(squares, num_pixels);
    all.add(squares, num_pixels);
  };
  for (int row = 0; row < grid.rows; ++row) {
    for (int col = 0; col < grid.cols; ++col) {
      const auto i = static_cast<size_t>(row) * static_cast<size_t>(grid.cols) + static_cast<size_t>(col);
      const CellArea cell = grid.area(row, col);
      if (col + 1 < grid.cols) {
        add_pair(i, i + 1, sums.right[i], int64_t{grid.area(row, col + 1).width} * cell.height);
      }
      if (row + 1 < grid.rows) {
        const size_t below = i + static_cast<size_t>(grid.cols);
        add_pair(i, below, sums.down[i], int64_t{grid.area(row + 1, col).height} * cell.width);
      }
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
  const PixelSums pixels = sum_pixels(image, pool);
  const double variance = window_variance(pixels.single, image.width, 1);
  redundancy.survives_half = surviving_share(window_variance(pixels.pairs, image.width, 2), variance);
  redundancy.survives_quarter = surviving_share(window_variance(pixels.fours, image.width, 4), variance);
  redundancy.edge_share = static_cast<double>(pixels.num_edges) / static_cast<double>(image.rgb.size());
  redundancy.background = dominant_color(image);
  const CellSums cells = sum_cells(image, grid, redundancy.background, pool);
  set_similarity(grid, cells, variance, redundancy);
  const double num_cells = redundancy.num_cells();
  for (const float bits : cells.entropy) redundancy.cell_entropy_bits += static_cast<double>(bits) / num_cells;
  redundancy.background_share = static_cast<double>(std::ranges::count(cells.is_background, 1)) / num_cells;
  constexpr std::array kTolerances = {LevelTolerance{0}, LevelTolerance{8}};
  std::vector<PatchPruning> prunings = prune_equal_patches(image, within, kTolerances, pool);
  redundancy.exact = std::move(prunings[0]);
  redundancy.within_8 = std::move(prunings[1]);
  redundancy.unique_share = redundancy.exact.num_seen / num_cells;
  redundancy.unique_share_within_8 = redundancy.within_8.num_seen / num_cells;
  return redundancy;
}

}  // namespace saccade
