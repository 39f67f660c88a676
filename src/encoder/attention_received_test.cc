#include "encoder/attention_received.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace saccade {
namespace {

using ::testing::ElementsAre;

TEST(AttentionReceived, SpreadsItsQueries) {
  EXPECT_THAT(spread_rows({10, 14}, 9), ElementsAre(10, 11, 12, 13));
  EXPECT_THAT(spread_rows({0, 100}, 4), ElementsAre(12, 37, 62, 87));
  EXPECT_THAT(spread_rows({5, 5}, 3), ElementsAre());
  // Over all columns of a square tile, rather than down one of them.
  std::set<int> columns;
  for (const int32_t row : spread_rows({0, 32 * 32}, 61)) columns.insert(row % 32);
  EXPECT_GT(columns.size(), 20U);
}

TEST(AttentionReceived, IsTheMeanSoftmaxOverHeadsAndQueries) {
  // Two heads of one element; rows 1 to 3 are the range.
  Tensor q(Shape{4, 2});
  Tensor k(Shape{4, 2});
  for (size_t i = 0; i < 8; ++i) {
    q.floats()[i] = std::sin(static_cast<float>(i));
    k.floats()[i] = std::cos(1.3F * static_cast<float>(i));
  }
  const std::vector<float> bias = {9, 0, std::log(2.0F), 0};
  const std::vector<int32_t> queries = {1, 3};
  std::vector<float> received(4, 1.0F);
  ThreadPool pool(1);
  add_attention_received(pool, {&q, &k, 2, bias}, {1, 4}, queries, 0.5F, received);
  for (size_t key = 1; key < 4; ++key) {
    double expected = 1;
    for (size_t head = 0; head < 2; ++head) {
      for (const int32_t query : queries) {
        const auto weight = [&](size_t row) {
          const double size = row == 2 ? 2 : 1;
          return size * std::exp(double{q.row(query)[head]} * double{k.row(static_cast<int64_t>(row))[head]});
        };
        expected += 0.5 / 4 * weight(key) / (weight(1) + weight(2) + weight(3));
      }
    }
    EXPECT_NEAR(double{received[key]}, expected, 1e-6);
  }
  EXPECT_EQ(received[0], 1);
}

}  // namespace
}  // namespace saccade
