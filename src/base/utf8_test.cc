#include "base/utf8.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

TEST(Utf8, RoundTripsEveryCodePoint) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point >= 0xD800 && code_point <= 0xDFFF) continue;
    std::string text;
    append_utf8(code_point, text);
    size_t position = 0;
    const DecodedCodePoint decoded = next_code_point(text, position);
    ASSERT_TRUE(decoded.is_valid);
    ASSERT_EQ(decoded.code_point, code_point);
    ASSERT_EQ(position, text.size());
  }
}

TEST(Utf8, RefusesOverlongSurrogateAndTruncated) {
  EXPECT_FALSE(is_valid_utf8("\xC0\xAF"));
  EXPECT_FALSE(is_valid_utf8("\xED\xA0\x80"));
  EXPECT_FALSE(is_valid_utf8("\xF4\x90\x80\x80"));
  EXPECT_FALSE(is_valid_utf8("ab\xE2\x82"));
  EXPECT_TRUE(is_valid_utf8("ab\xE2\x82\xAC"));
}

TEST(Utf8, HoldsBackOnlyWhatMayStillBecomeACharacter) {
  EXPECT_EQ(complete_utf8_prefix("ab\xE2\x82"), 2u);
  EXPECT_EQ(complete_utf8_prefix("ab\xE2\x82\xAC"), 5u);
  EXPECT_EQ(complete_utf8_prefix("ab\xFF"), 3u);
  EXPECT_EQ(complete_utf8_prefix("\xF0\x9F\x98"), 0u);
  EXPECT_EQ(complete_utf8_prefix("\xED\xA0"), 2u);  // a surrogate: never valid
}

}  // namespace
}  // namespace saccade
