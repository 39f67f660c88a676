#include "media/exif.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace saccade {
namespace {

using std::string_view_literals::operator""sv;

int orientation_of(std::string_view text) {
  return exif_orientation({reinterpret_cast<const std::byte*>(text.data()), text.size()});
}

TEST(ExifOrientation, ReadsBothByteOrders) {
  const auto little = "II*\0\x08\0\0\0\2\0\x0f\1\2\0\0\0\0\0\0\0\0\0\x12\1\3\0\1\0\0\0\6\0\0\0"sv;
  const auto big = "MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x08\0\0"sv;
  EXPECT_EQ(orientation_of(little), 6);
  EXPECT_EQ(orientation_of(big), 8);
  EXPECT_EQ(orientation_of(std::string("Exif\0\0"sv) + std::string(big)), 8);
}

TEST(ExifOrientation, IsUprightWhereDamaged) {
  EXPECT_EQ(orientation_of(""), 1);
  EXPECT_EQ(orientation_of("II"), 1);
  EXPECT_EQ(orientation_of("XX*\0\x08\0\0\0"sv), 1);
  EXPECT_EQ(orientation_of("II*\0\xff\xff\xff\xff"sv), 1);                            // directory beyond the end
  EXPECT_EQ(orientation_of("II*\0\x08\0\0\0\xff\xff"sv), 1);                          // entries beyond the end
  EXPECT_EQ(orientation_of("MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x09\0\0"sv), 1);  // 9 is no orientation
  EXPECT_EQ(orientation_of("MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1"sv), 1);            // cut before the value
  EXPECT_EQ(orientation_of("MM\0*\0\0\0\x08\0\1\1\x12\0\2\0\0\0\1\0\x06\0\0"sv), 1);  // text, not a number
}

TEST(ExifOrientation, SurvivesAnyBytes) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 5000; ++trial) {
    std::string text(trial % 2 == 0 ? "II*\0"sv : "MM\0*"sv);
    const size_t length = random() % 60;
    for (size_t i = 0; i < length; ++i) text += static_cast<char>(random() % (i < 4 ? 12 : 256));
    const int orientation = orientation_of(text);
    EXPECT_GE(orientation, 1);
    EXPECT_LE(orientation, 8);
  }
}

}  // namespace
}  // namespace saccade
