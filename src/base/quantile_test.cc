#include "base/quantile.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

TEST(Quantile, IsOneOfTheValues) {
  EXPECT_EQ(quantile({}, 0.5), 0);
  EXPECT_EQ(quantile({7}, 0), 7);
  const std::vector<double> values = {5, 1, 4, 2, 3};
  EXPECT_EQ(quantile(values, 0.2), 1);
  EXPECT_EQ(quantile(values, 0.5), 3);
  EXPECT_EQ(quantile(values, 0.95), 5);
  EXPECT_EQ(quantile(values, 1), 5);
}

}  // namespace
}  // namespace saccade
