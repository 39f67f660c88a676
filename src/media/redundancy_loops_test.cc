#include "media/redundancy_loops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <random>

namespace saccade {
namespace {

std::vector<uint8_t> random_bytes(int count, std::mt19937& random) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  const unsigned levels = random() % 2 == 0 ? 256 : 40;  // edges are few among 40
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % levels);
  return bytes;
}

template <typename Values>
int64_t squares_of_windows(const Values& values, int side) {
  int64_t sum = 0;
  for (int i = 0; i + 3 * (side - 1) < static_cast<int>(values.size()); ++i) {
    int64_t window = 0;
    for (int k = 0; k < side; ++k) window += values[static_cast<size_t>(i + 3 * k)];
    sum += window * window;
  }
  return sum;
}

const std::vector<int> kWidths = {1, 2, 3, 5, 6, 10, 11, 12, 16, 33, 86, 100, 700, 30000};

TEST(RedundancyLoops, OfRowsAreTheirDefinitionsOnEveryInstructionSet) {
  std::mt19937 random(5);
  for (const int width : kWidths) {
    const int count = width * 3;
    const auto size = static_cast<size_t>(count);
    const std::vector<uint8_t> row = random_bytes(count, random);
    const std::vector<uint8_t> below = random_bytes(count, random);
    int64_t num_edges = 0;
    std::vector<int16_t> pair(size);
    std::vector<int16_t> four(size);
    std::vector<int32_t> columns(size);
    for (size_t i = 0; i < size; ++i) {
      const bool is_edge = i + 3 < size && std::abs(row[i] - row[i + 3]) > kEdgeLevels;
      num_edges += is_edge || std::abs(row[i] - below[i]) > kEdgeLevels ? 1 : 0;
      pair[i] = static_cast<int16_t>(row[i] + below[i]);
      four[i] = static_cast<int16_t>(pair[i] * 2);
      columns[i] = static_cast<int32_t>(i) + four[i];
    }
    for (const RedundancyLoops& loops : redundancy_loops()) {
      SCOPED_TRACE(std::string(loops.isa) + ", width " + std::to_string(width));
      EXPECT_EQ(loops.sum_of_squares(row.data(), count), squares_of_windows(row, 1));
      EXPECT_EQ(loops.count_edges(row.data(), below.data(), count), num_edges);
      std::vector<int16_t> their_pair(size);
      EXPECT_EQ(loops.add_pair(row.data(), below.data(), count, their_pair.data()), squares_of_windows(pair, 2));
      EXPECT_EQ(their_pair, pair);
      std::vector<int16_t> their_four = pair;
      std::vector<int32_t> their_columns(size);
      std::iota(their_columns.begin(), their_columns.end(), 0);
      EXPECT_EQ(loops.add_four(pair.data(), count, their_four.data(), their_columns.data()),
                squares_of_windows(four, 4));
      EXPECT_EQ(their_four, four);
      EXPECT_EQ(their_columns, columns);
    }
  }
}

TEST(RedundancyLoops, OfWhiteRowsDoNotOverflow) {
  constexpr int kCount = 3 * 400'000;
  const std::vector<uint8_t> white(kCount, 255);
  const std::vector<uint8_t> black(kCount, 0);
  for (const RedundancyLoops& loops : redundancy_loops()) {
    EXPECT_EQ(loops.sum_of_squares(white.data(), kCount), int64_t{kCount} * 255 * 255) << loops.isa;
    CellSums cell;
    const CellRow row = {white.data(), black.data(), kCount, kCount, kCount};
    loops.add_differences(row, &cell);
    loops.add_greens(row, &cell);
    EXPECT_EQ(std::reduce(cell.down.begin(), cell.down.end()), uint64_t{kCount} * 255 * 255) << loops.isa;
    EXPECT_EQ(cell.greens[1].back(), 400'000u) << loops.isa;
  }
}

TEST(RedundancyLoops, OfCellsAreTheirDefinitionsOnEveryInstructionSet) {
  std::mt19937 random(6);
  for (const int width : kWidths) {
    const int count = width * 3;
    const std::vector<uint8_t> pixels = random_bytes(count, random);  // no byte more, for the sanitizers
    const std::vector<uint8_t> below = random_bytes(count, random);
    for (const int cell_width : {1, 2, 4, 5, 6, 14, 28, 29, 100}) {
      if (cell_width > width) continue;
      const int cell_bytes = cell_width * 3;
      const auto num_cells = static_cast<size_t>((width + cell_width - 1) / cell_width);
      for (const RedundancyLoops& loops : redundancy_loops()) {
        SCOPED_TRACE(std::string(loops.isa) + ", width " + std::to_string(width) + " of " + std::to_string(cell_width));
        std::vector<CellSums> cells(num_cells);
        loops.add_differences({pixels.data(), below.data(), count, cell_bytes, count}, cells.data());
        loops.add_differences({pixels.data(), nullptr, count, cell_bytes, count}, cells.data());
        loops.add_greens({pixels.data(), below.data(), count, cell_bytes, count}, cells.data());
        std::vector<CellSums> sums(num_cells);
        for (int i = 0; i < count; ++i) {
          const auto value = static_cast<size_t>(i);
          CellSums& sum = sums[static_cast<size_t>(i / cell_bytes)];
          const int down = pixels[value] - below[value];
          sum.down[0] += static_cast<uint64_t>(down * down);
          if (i + cell_bytes < count) {
            const int right = pixels[value] - pixels[value + static_cast<size_t>(cell_bytes)];
            sum.right[0] += static_cast<uint64_t>(2 * right * right);
          }
          if (i % 3 == 1) ++sum.greens[pixels[value] / 16 % 2][pixels[value] / 32];
        }
        for (size_t i = 0; i < num_cells; ++i) {
          ASSERT_EQ(std::reduce(cells[i].right.begin(), cells[i].right.end()), sums[i].right[0]) << i;
          ASSERT_EQ(std::reduce(cells[i].down.begin(), cells[i].down.end()), sums[i].down[0]) << i;
          ASSERT_EQ(cells[i].greens, sums[i].greens) << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace saccade
