#include "server/base64.h"

#include <gtest/gtest.h>

#include <span>
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
  return encode_base64(std::as_bytes(std::span(bytes)));
}

TEST(Base64, EncodesTheVectorsOfTheRfc) {
  EXPECT_EQ(encoded(""), "");
  EXPECT_EQ(encoded("f"), "Zg==");
  EXPECT_EQ(encoded("fo"), "Zm8=");
  EXPECT_EQ(encoded("foo"), "Zm9v");
  EXPECT_EQ(encoded("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encoded("\xff\xfe\xfb"), "//77");
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
