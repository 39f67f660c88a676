#include "platform/huge_buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace saccade {
namespace {

bool is_zero(const std::byte* data, int64_t num_bytes) {
  return std::all_of(data, data + num_bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

TEST(HugeBufferTest, IsZeroedAndMoves) {
  HugeBuffer buffer(3'000'000);
  ASSERT_TRUE(is_zero(buffer.data(), buffer.num_bytes()));
  std::byte* data = buffer.data();
  const HugeBuffer moved = std::move(buffer);
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(moved.num_bytes(), 3'000'000);
  EXPECT_EQ(HugeBuffer(0).data(), nullptr);
}

TEST(HugeArenaTest, PiecesAreZeroedAlignedAndApart) {
  HugeArena arena;
  std::vector<std::shared_ptr<std::byte>> pieces;
  constexpr int64_t kSizes[] = {1, 100, 64, 1'000'000, 40 << 20, 15 << 20, 15 << 20, 15 << 20, 15 << 20, 15 << 20};
  for (const int64_t size : kSizes) {
    pieces.push_back(arena.take(size));
    std::byte* data = pieces.back().get();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0U);
    ASSERT_TRUE(is_zero(data, size)) << size << " bytes overlap an earlier piece";
    std::memset(data, static_cast<int>(pieces.size()), static_cast<size_t>(size));
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_EQ(pieces[i].get()[kSizes[i] - 1], static_cast<std::byte>(i + 1));
  }
}

TEST(HugeArenaTest, APieceOutlivesItsArenaAndItsNeighbours) {
  auto arena = std::make_unique<HugeArena>();
  std::shared_ptr<std::byte> first = arena->take(1000);
  const std::shared_ptr<std::byte> second = arena->take(1000);
  first.reset();
  arena.reset();
  std::memset(second.get(), 1, 1000);
  EXPECT_EQ(second.get()[999], std::byte{1});
}

TEST(HugeArenaTest, MemoryIsZeroedAgainAfterTheLastPieceIsGone) {
  HugeArena arena;
  for (int i = 0; i < 3; ++i) {
    const std::shared_ptr<std::byte> piece = arena.take(5000);
    ASSERT_TRUE(is_zero(piece.get(), 5000));
    std::memset(piece.get(), 7, 5000);
  }
}

}  // namespace
}  // namespace saccade
