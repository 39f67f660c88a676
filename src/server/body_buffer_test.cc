#include "server/body_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace saccade {
namespace {

TEST(BodyBuffer, HoldsWhatWasAppendedWithZeroesBehind) {
  BodyBuffer buffer;
  EXPECT_EQ(buffer.text(), "");
  EXPECT_EQ(buffer.capacity(), 0u);
  std::string all;
  for (int i = 0; i < 1000; ++i) {
    const std::string piece = "piece " + std::to_string(i) + ";";
    buffer.append(piece);
    all += piece;
  }
  EXPECT_EQ(buffer.text(), all);
  EXPECT_EQ(buffer.capacity(), all.size() + BodyBuffer::kPadding);
  const std::string_view padding(buffer.text().data() + all.size(), BodyBuffer::kPadding);
  EXPECT_TRUE(std::ranges::all_of(padding, [](char c) { return c == 0; }));
}

TEST(BodyBuffer, KeepsItsPlaceWhereThereIsRoom) {
  BodyBuffer buffer;
  buffer.reserve(100);
  buffer.append("a");
  const char* begin = buffer.text().data();
  buffer.append(std::string(99, 'b'));
  EXPECT_EQ(buffer.text().data(), begin);
  EXPECT_EQ(buffer.text().size(), 100u);
}

TEST(BodyBuffer, MovesAndIsEmptyThen) {
  BodyBuffer buffer;
  buffer.append("words");
  const BodyBuffer moved = std::move(buffer);
  EXPECT_EQ(moved.text(), "words");
  EXPECT_EQ(buffer.text(), "");  // NOLINT(bugprone-use-after-move): what is promised
  buffer.append("more");
  EXPECT_EQ(buffer.text(), "more");
  buffer.clear();
  EXPECT_EQ(buffer.capacity(), 0u);
}

}  // namespace
}  // namespace saccade
