#include "base/format.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

TEST(Format, BytesHaveThreeDigits) {
  EXPECT_EQ(format_bytes(12), "12 B");
  EXPECT_EQ(format_bytes(1000), "1.00 kB");
  EXPECT_EQ(format_bytes(23'960'000), "24.0 MB");
  EXPECT_EQ(format_bytes(999'600), "1.00 MB");
}

TEST(Format, QuoteEscapesAndCuts) {
  EXPECT_EQ(quote("a\"b\n"), "\"a\\\"b\\x0a\"");
  EXPECT_EQ(quote("abcdef", 3), "\"abc\"...");
}

}  // namespace
}  // namespace saccade
