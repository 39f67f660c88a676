#include "media/byte_difference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

namespace saccade {
namespace {

TEST(LargestDifference, IsItsDefinition) {
  std::mt19937 random(7);
  for (size_t count = 0; count < 200; ++count) {
    std::vector<uint8_t> a(count, 200);
    std::vector<uint8_t> b(count, 200);
    EXPECT_EQ(largest_difference(a.data(), b.data(), count), 0);
    int largest = 0;
    for (size_t trial = 0; trial < count; ++trial) {
      const size_t place = random() % count;
      b[place] = static_cast<uint8_t>(random());
      largest = 0;
      for (size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
      ASSERT_EQ(largest_difference(a.data(), b.data(), count), largest) << count << ", " << place;
      ASSERT_EQ(largest_difference(b.data(), a.data(), count), largest) << count << ", " << place;
    }
  }
}

}  // namespace
}  // namespace saccade
