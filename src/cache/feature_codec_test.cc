#include "cache/feature_codec.h"

#include <gmock/gmock.h>

#include <cstring>
#include <limits>
#include <random>

namespace saccade {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

Tensor some_vectors(int64_t num_tokens, int64_t dim) {
  Tensor tensor({num_tokens, dim});
  std::minstd_rand random(1);
  for (float& value : tensor.floats()) value = static_cast<float>(random()) / 1e9f - 1;
  return tensor;
}

// An encoded picture of 5 tokens, as the engine might store one.
std::vector<std::byte> some_bytes() {
  const Tensor vectors = some_vectors(5, 7);
  const std::vector<int32_t> places = {0, 0, 0, 0, 0, 1, 0, 1, 0};
  const std::vector<uint8_t> is_fixed = {0, 1, 0, 0, 1};
  const std::vector<int64_t> extent = {1, 2, -3};
  return encode_arrays(std::vector<NamedArray>{
      named_array("vectors", vectors), named_array<int32_t>("places", places), named_array<uint8_t>("fixed", is_fixed),
      named_array<int64_t>("extent", extent), named_array("text", std::string_view("<row_1>"))});
}

TEST(FeatureCodec, GivesBackWhatWasStored) {
  const std::vector<std::byte> bytes = some_bytes();
  const auto decoded = decode_arrays(bytes);
  ASSERT_TRUE(decoded.is_ok()) << decoded.status().message();
  EXPECT_EQ(decoded->arrays().size(), 5u);
  const auto vectors = decoded->tensor("vectors");
  ASSERT_TRUE(vectors.is_ok());
  EXPECT_EQ(vectors->shape(), Shape({5, 7}));
  const Tensor expected = some_vectors(5, 7);
  EXPECT_THAT(vectors->floats(), ElementsAreArray(expected.floats()));
  EXPECT_THAT(*decoded->values<int32_t>("places"), ElementsAre(0, 0, 0, 0, 0, 1, 0, 1, 0));
  EXPECT_THAT(*decoded->values<uint8_t>("fixed"), ElementsAre(0, 1, 0, 0, 1));
  EXPECT_THAT(*decoded->values<int64_t>("extent"), ElementsAre(1, 2, -3));
  EXPECT_EQ(*decoded->text("text"), "<row_1>");
}

TEST(FeatureCodec, IsExactToTheBit) {
  Tensor odd({1, 6});
  const std::vector<uint32_t> patterns = {0x7FC12345, 0xFF800000, 0x80000000, 1, 0x7F7FFFFF, 0xFFFFFFFF};
  std::memcpy(odd.data(), patterns.data(), 24);
  Tensor half({2, 3}, DType::kF16);
  std::memset(half.data(), 0xA5, 12);
  const auto bytes = encode_arrays(std::vector<NamedArray>{named_array("odd", odd), named_array("half", half)});
  const auto decoded = decode_arrays(bytes);
  EXPECT_EQ(std::memcmp(decoded->tensor("odd")->data(), patterns.data(), 24), 0);
  const auto again = decoded->tensor("half");
  EXPECT_EQ(again->dtype(), DType::kF16);
  EXPECT_EQ(std::memcmp(again->data(), half.data(), 12), 0);
}

TEST(FeatureCodec, NothingIsSomethingToo) {
  const std::vector<int32_t> none;
  const Tensor empty;
  const auto none_at_all = encode_arrays({});
  EXPECT_TRUE(decode_arrays(none_at_all)->arrays().empty());
  const auto bytes = encode_arrays(std::vector<NamedArray>{
      named_array("empty", empty), named_array<int32_t>("none", none), named_array("", std::string_view())});
  const auto decoded = decode_arrays(bytes);
  ASSERT_TRUE(decoded.is_ok()) << decoded.status().message();
  EXPECT_TRUE(decoded->tensor("empty")->is_empty());
  EXPECT_TRUE(decoded->values<int32_t>("none")->empty());
  EXPECT_EQ(*decoded->text(""), "");
}

TEST(FeatureCodec, WhatIsNotThereIsAnError) {
  const std::vector<std::byte> bytes = some_bytes();
  const auto decoded = decode_arrays(bytes);
  EXPECT_THAT(decoded->tensor("keys").status().message(), HasSubstr("no stored array is named \"keys\""));
  EXPECT_THAT(decoded->tensor("places").status().message(), HasSubstr("is no tensor of floats"));
  EXPECT_THAT(decoded->values<float>("vectors").status().message(), HasSubstr("another type or shape"));
  EXPECT_EQ(decoded->values<uint8_t>("places").status().code(), StatusCode::kCorruptData);
  EXPECT_EQ(decoded->text("extent").status().code(), StatusCode::kCorruptData);
  EXPECT_EQ(decoded->find("keys"), nullptr);
}

TEST(FeatureCodec, ACutIsFound) {
  const std::vector<std::byte> bytes = some_bytes();
  for (size_t length = 0; length < bytes.size(); ++length) {
    // Of its own, so that a read past the end is noticed.
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_FALSE(decode_arrays(cut).is_ok()) << length;
  }
  std::vector<std::byte> longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_arrays(longer).is_ok());
}

TEST(FeatureCodec, AnotherVersionIsToldApart) {
  std::vector<std::byte> bytes = some_bytes();
  bytes[3] = std::byte{9};
  EXPECT_EQ(decode_arrays(bytes).status().code(), StatusCode::kUnsupported);
  bytes[0] = std::byte{9};
  EXPECT_EQ(decode_arrays(bytes).status().code(), StatusCode::kCorruptData);
}

TEST(FeatureCodec, SizesThatOverflowAreRefused) {
  for (const int64_t dim : {int64_t{-1}, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(),
                            int64_t{1} << 62, int64_t{1} << 32}) {
    std::vector<std::byte> bytes = encode_arrays(
        std::vector<NamedArray>{{"x", ArrayType::kF32, Shape{0, 0, 1, 1}, {}}});  // dimensions from byte 8 + 4 on
    std::memcpy(bytes.data() + 12, &dim, 8);
    std::memcpy(bytes.data() + 20, &dim, 8);
    EXPECT_FALSE(decode_arrays(bytes).is_ok()) << dim;
  }
}

TEST(FeatureCodec, TwoOfOneNameAreRefused) {
  std::vector<std::byte> bytes = encode_arrays(
      std::vector<NamedArray>{named_array("a", std::string_view("1")), named_array("b", std::string_view("2"))});
  for (std::byte& byte : bytes) {
    if (byte == std::byte{'b'}) byte = std::byte{'a'};
  }
  EXPECT_THAT(decode_arrays(bytes).status().message(), HasSubstr("two stored arrays are named \"a\""));
}

// Whatever the bytes: no crash, no read past the end (the sanitizers watch), no memory beyond what is there.
TEST(FeatureCodec, SurvivesRandomDamage) {
  std::mt19937 random(3);
  const std::vector<std::byte> good = some_bytes();
  int num_decoded = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes = good;
    const int num_changes = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < num_changes; ++i) {
      // The outline more often than the content.
      const size_t at = random() % (random() % 4 == 0 ? bytes.size() : std::min<size_t>(bytes.size(), 120));
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<std::byte>(random());
          break;
        case 1:
          bytes[at] ^= std::byte{1} << static_cast<int>(random() % 8);
          break;
        case 2:
          bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
          break;
        default:
          bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::byte>(random()));
      }
    }
    bytes.shrink_to_fit();
    const auto decoded = decode_arrays(bytes);
    if (!decoded) continue;
    ++num_decoded;
    size_t num_bytes = 0;
    for (const NamedArray& array : decoded->arrays()) {
      num_bytes += array.bytes.size();
      (void)decoded->tensor(array.name);
      (void)decoded->values<int32_t>(array.name);
      (void)decoded->values<int64_t>(array.name);
      (void)decoded->text(array.name);
    }
    ASSERT_LE(num_bytes, bytes.size());
  }
  EXPECT_GT(num_decoded, 0);  // of damage to the content alone, which other checksums find
}

}  // namespace
}  // namespace saccade
