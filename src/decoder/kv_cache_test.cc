#include "decoder/kv_cache.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace saccade {
namespace {

constexpr int64_t kDim = 4;
constexpr uint64_t kBlockBytes = 2 * KvBlockPool::kBlockTokens * kDim * sizeof(float);

void append_counting(KvSequence& kv, int64_t layer_idx, int64_t count, float first) {
  std::vector<float> rows(static_cast<size_t>(count * kDim));
  std::iota(rows.begin(), rows.end(), first);
  ASSERT_TRUE(kv.reserve(layer_idx, count).is_ok());
  kv.append(layer_idx, rows.data(), kDim, rows.data(), kDim, count);
}

int num_blocks_left(KvBlockPool& pool) {
  std::vector<float*> taken;
  for (auto block = pool.take(); block; block = pool.take()) taken.push_back(*block);
  for (float* block : taken) pool.give_back(block);
  return static_cast<int>(taken.size());
}

TEST(KvCache, LayersGrowAndShrinkOnTheirOwn) {
  auto pool = std::make_shared<KvBlockPool>(kDim, 10 * kBlockBytes);
  KvSequence kv(pool, 2);
  append_counting(kv, 0, 70, 0);
  append_counting(kv, 0, 10, 280);
  append_counting(kv, 1, 3, 0);
  EXPECT_EQ(kv.num_tokens(0), 80);
  EXPECT_EQ(kv.num_tokens(1), 3);
  EXPECT_EQ(num_blocks_left(*pool), 7);
  const KvBlocks blocks = kv.blocks(0);
  EXPECT_EQ(blocks.keys[1][0], 64 * kDim);
  EXPECT_EQ(blocks.values[1][15 * kDim + 3], 79 * kDim + 3);
  kv.truncate(64);
  EXPECT_EQ(kv.num_tokens(0), 64);
  EXPECT_EQ(kv.num_tokens(1), 3);
  EXPECT_EQ(num_blocks_left(*pool), 8);
}

TEST(KvCache, NoRoomIsAnOutcome) {
  auto pool = std::make_shared<KvBlockPool>(kDim, 2 * kBlockBytes);
  KvSequence kv(pool, 1);
  append_counting(kv, 0, 1, 0);
  const Status status = kv.reserve(0, 128);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(num_blocks_left(*pool), 1);  // the block that was taken before the pool was empty went back
  EXPECT_EQ(kv.num_tokens(0), 1);
  EXPECT_EQ(kv.blocks(0).keys[0][kDim - 1], kDim - 1);
  EXPECT_TRUE(kv.reserve(0, 127).is_ok());
}

TEST(KvCache, GivesItsBlocksBack) {
  auto pool = std::make_shared<KvBlockPool>(kDim, 2 * kBlockBytes);
  {
    KvSequence kv(pool, 1);
    append_counting(kv, 0, 128, 0);
    KvSequence moved = std::move(kv);
    EXPECT_EQ(moved.num_tokens(0), 128);
  }
  EXPECT_EQ(num_blocks_left(*pool), 2);
}

}  // namespace
}  // namespace saccade
