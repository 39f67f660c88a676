// Against tests/parity/data/encoder/positions.tsv, which tools/parity/encoder.py writes.
#include "encoder/position_grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "encoder/testing/golden_table.h"

namespace saccade {
namespace {

TEST(PositionGrid, AgreesWithBicubicInterpolation) {
  const auto table = testing::read_golden_table("positions.tsv");
  ASSERT_GT(table.size(), 5U);
  for (const std::vector<std::string>& row : table) {
    SCOPED_TRACE(row[0] + " to " + row[1]);
    const int64_t side = std::stoll(row[0]);
    const Tensor positions = testing::to_tensor(row[2], side * side);
    const Tensor grid = interpolate_positions(positions, side, std::stoll(row[1]));
    EXPECT_THAT(grid.floats(), ::testing::Pointwise(::testing::FloatNear(1e-5F), testing::to_numbers(row[3])));
  }
}

TEST(PositionGrid, OfTheSameSizeIsTheSame) {
  const auto table = testing::read_golden_table("positions.tsv");
  const Tensor positions = testing::to_tensor(table[1][2], 36);
  const Tensor same = interpolate_positions(positions, 6, 6);
  EXPECT_THAT(same.floats(), ::testing::Pointwise(::testing::FloatNear(1e-6F), positions.floats()));
}

}  // namespace
}  // namespace saccade
