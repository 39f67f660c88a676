#include "server/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace saccade {
namespace {

std::string decoded(std::string_view text) {
  const auto bytes = decode_base64(text);
  EXPECT_TRUE(bytes) << bytes.status().message();
  if (!bytes) return "";
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

std::string error_of(std::string_view text) {
  const auto bytes = decode_base64(text);
  return bytes ? "none" : bytes.status().message();
}

std::string encoded(const std::string& bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : kAlphabet[group >> (18 - 6 * k) & 63];
    }
  }
  return text;
}

TEST(Base64, DecodesTheVectorsOfTheRfc) {
  EXPECT_EQ(decoded(""), "");
  EXPECT_EQ(decoded("Zg=="), "f");
  EXPECT_EQ(decoded("Zm8="), "fo");
  EXPECT_EQ(decoded("Zm9v"), "foo");
  EXPECT_EQ(decoded("Zm9vYg=="), "foob");
  EXPECT_EQ(decoded("Zm9vYmE="), "fooba");
  EXPECT_EQ(decoded("Zm9vYmFy"), "foobar");
}

TEST(Base64, DecodesAllBytesAtAllLengths) {
  std::string bytes;
  for (int length = 0; length < 520; ++length) {
    EXPECT_EQ(decoded(encoded(bytes)), bytes) << length;
    bytes += static_cast<char>(length * 7);
  }
}

TEST(Base64, NeedsNoPadding) {
  EXPECT_EQ(decoded("Zg"), "f");
  EXPECT_EQ(decoded("Zm8"), "fo");
  EXPECT_EQ(decoded("Zm9vYg"), "foob");
}

TEST(Base64, TakesSlashesAsJsonMayEscapeThem) {
  EXPECT_EQ(decoded("////"), "\xff\xff\xff");
  EXPECT_EQ(decoded("\\/\\/\\/\\/"), "\xff\xff\xff");
  EXPECT_EQ(decoded("Zm9v/\\/\\//Zg=="), std::string("foo\xff\xff\xff") + "f");
  EXPECT_EQ(decoded("AAAA\\/w=="), std::string("\0\0\0\xff", 4));
}

TEST(Base64, SaysWhatDoesNotBelongAndWhere) {
  EXPECT_NE(error_of("Zm9*YmFy").find("\"*\" at position 3"), std::string::npos) << error_of("Zm9*YmFy");
  EXPECT_NE(error_of("Zm9vYmF\n").find("position 7"), std::string::npos);
  EXPECT_NE(error_of("Zm=vYmFy").find("position 2"), std::string::npos);
  EXPECT_NE(error_of("Zm9v\\nAAA").find("position 4"), std::string::npos) << error_of("Zm9v\\nAAA");
  EXPECT_NE(error_of("Zm9v-_AA").find("position 4"), std::string::npos);
  EXPECT_NE(error_of("Zm9vY=").find("ends in the middle"), std::string::npos);
  EXPECT_NE(error_of("Zm9vYmFyZ").find("ends in the middle"), std::string::npos);
  EXPECT_NE(error_of("Zm9v=").find("ends in the middle"), std::string::npos);
  EXPECT_NE(error_of("Zm9v\\"), "none");
  EXPECT_NE(error_of("AAAAA\\"), "none");
  EXPECT_NE(error_of("\\\\\\\\\\\\\\\\"), "none");
}

}  // namespace
}  // namespace saccade
