// Against tests/parity/data/encoder/merges.tsv, which tools/parity/encoder.py writes.
#include "encoder/merge_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "encoder/testing/golden_table.h"

namespace saccade {
namespace {

using ::saccade::testing::read_golden_table;
using ::saccade::testing::to_numbers;
using ::saccade::testing::to_tensor;

TEST(MergeRows, AgreesWithThePaper) {
  const auto table = read_golden_table("merges.tsv");
  ASSERT_GT(table.size(), 15U);
  ThreadPool pool(2);
  for (const std::vector<std::string>& row : table) {
    SCOPED_TRACE(row[0]);
    const int64_t num_rows = std::stoll(row[1]);
    const int64_t num_class_rows = std::stoll(row[2]);
    const int64_t wanted = std::stoll(row[3]);
    const Tensor metric = to_tensor(row[4], num_rows);
    Tensor x = to_tensor(row[5], num_rows);
    const std::vector<float> sizes = to_numbers(row[6]);
    const RowRange tile = {0, num_rows};
    const int64_t count = std::min(wanted, (num_rows - num_class_rows) / 2);
    const std::vector<RowMerge> merges = match_rows(pool, metric, {&tile, 1}, num_class_rows, count);
    std::vector<float> pairs;
    for (const RowMerge& merge : merges) {
      pairs.push_back(static_cast<float>(merge.source));
      pairs.push_back(static_cast<float>(merge.target));
    }
    ASSERT_EQ(pairs, to_numbers(row[7]));

    merge_means(x, merges, sizes);
    std::vector<float> left = sizes;
    for (const RowMerge& merge : merges)
      left[static_cast<size_t>(merge.target)] += sizes[static_cast<size_t>(merge.source)];
    std::vector<float> values;
    std::vector<float> left_sizes;
    for (int32_t i = 0; i < num_rows; ++i) {
      if (std::ranges::find(merges, i, &RowMerge::source) != merges.end()) continue;
      values.insert(values.end(), x.row(i).begin(), x.row(i).end());
      left_sizes.push_back(left[static_cast<size_t>(i)]);
    }
    EXPECT_THAT(values, ::testing::Pointwise(::testing::FloatNear(1e-5F), to_numbers(row[8])));
    EXPECT_EQ(left_sizes, to_numbers(row[9]));
  }
}

TEST(MergeRows, LeavesEnoughPatches) {
  EXPECT_EQ(num_merges(577, 1, 16), 16);
  EXPECT_EQ(num_merges(577, 1, 1000), 288);
  EXPECT_EQ(num_merges(21, 1, 8), 4);
  EXPECT_EQ(num_merges(17, 1, 8), 0);
  EXPECT_EQ(num_merges(3, 0, 8), 0);
  EXPECT_EQ(num_merges(100, 0, 0), 0);
}

TEST(MergeRows, StaysWithinWindows) {
  // Rows 0 and 3 are twins, and so are 1 and 2; windows part the former.
  ThreadPool pool(1);
  Tensor metric(Shape{6, 2});
  const std::vector<float> values = {1, 0, 0, 1, 0.1F, 1, 1, 0, -1, 0.2F, -1, 0.6F};
  std::ranges::copy(values, metric.floats().begin());
  const std::vector<RowRange> windows = {{0, 2}, {2, 3}, {3, 6}};
  const auto merges = match_rows(pool, metric, windows, 0, 2);
  EXPECT_THAT(merges, ::testing::ElementsAre(RowMerge{0, 1}, RowMerge{5, 4}));
  const RowRange whole = {0, 6};
  EXPECT_THAT(match_rows(pool, metric, {&whole, 1}, 0, 2), ::testing::ElementsAre(RowMerge{0, 3}, RowMerge{2, 1}));
}

}  // namespace
}  // namespace saccade
