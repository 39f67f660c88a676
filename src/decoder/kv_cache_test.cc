#include "decoder/kv_cache.h"

#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <vector>

#include "kernels/dequantize.h"

namespace saccade {
namespace {

constexpr int64_t kDim = 4;
constexpr KvShape kShape = {2, kDim / 2, DType::kF32};
constexpr uint64_t kBlockBytes = 2 * KvBlockPool::kBlockTokens * kDim * sizeof(float);

void append_counting(KvSequence& kv, int64_t layer_idx, int64_t count, float first) {
  std::vector<float> rows(static_cast<size_t>(count * kDim));
  std::iota(rows.begin(), rows.end(), first);
  ASSERT_TRUE(kv.reserve(layer_idx, count).is_ok());
  std::vector<int32_t> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), static_cast<int32_t>(kv.num_tokens(layer_idx)));
  kv.append(layer_idx, numbers, rows.data(), rows.data());
}

/// Element `i` of a token, over its heads.
float element(const KvBlocks& blocks, const std::byte* const* rows, int64_t token, int64_t i) {
  float values[kDim / 2];
  const int64_t head = i / (kDim / 2);
  dequantize_row(
      blocks.dtype,
      rows[token / blocks.block_tokens] + token % blocks.block_tokens * blocks.token_stride + head * blocks.head_stride,
      values, kDim / 2);
  return values[i % (kDim / 2)];
}

int num_blocks_left(KvBlockPool& pool) {
  std::vector<std::byte*> taken;
  for (auto block = pool.take(); block; block = pool.take()) taken.push_back(*block);
  for (std::byte* block : taken) pool.give_back(block);
  return static_cast<int>(taken.size());
}

TEST(KvCache, LayersGrowAndShrinkOnTheirOwn) {
  auto pool = std::make_shared<KvBlockPool>(kShape, 10 * kBlockBytes);
  KvSequence kv(pool, 2);
  append_counting(kv, 0, 70, 0);
  append_counting(kv, 0, 10, 280);
  append_counting(kv, 1, 3, 0);
  EXPECT_EQ(kv.num_tokens(0), 80);
  EXPECT_EQ(kv.num_tokens(1), 3);
  EXPECT_EQ(num_blocks_left(*pool), 7);
  const KvBlocks blocks = kv.blocks(0);
  EXPECT_EQ(element(blocks, blocks.keys, 64, 0), 64 * kDim);
  EXPECT_EQ(element(blocks, blocks.values, 79, 3), 79 * kDim + 3);
  kv.truncate(64);
  EXPECT_EQ(kv.num_tokens(0), 64);
  EXPECT_EQ(kv.num_tokens(1), 3);
  EXPECT_EQ(num_blocks_left(*pool), 8);
}

TEST(KvCache, KeepsWhatItsTypeCanHold) {
  for (DType dtype : {DType::kF32, DType::kF16, DType::kQ8_0}) {
    const KvShape shape = {3, 32, dtype};
    auto pool = std::make_shared<KvBlockPool>(shape, 1 << 20);
    EXPECT_EQ(pool->block_bytes(), 2u * 64 * 3 * static_cast<uint64_t>(row_bytes(dtype, 32)));
    KvSequence kv(pool, 1);
    std::vector<float> rows(70 * 96);
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i % 251) - 125;
    ASSERT_TRUE(kv.reserve(0, 70).is_ok());
    std::vector<int32_t> numbers(70);
    std::iota(numbers.begin(), numbers.end(), 0);
    kv.append(0, numbers, rows.data(), rows.data());
    const KvBlocks blocks = kv.blocks(0);
    float values[32];
    dequantize_row(dtype, blocks.values[1] + 5 * blocks.token_stride + 2 * blocks.head_stride, values, 32);
    for (size_t i = 0; i < 32; ++i) EXPECT_NEAR(values[i], rows[69 * 96 + 64 + i], dtype == DType::kQ8_0 ? 0.6 : 0.0);
  }
}

TEST(KvCache, ForgetsRowsInLayersThatHoldOnlySomeOfThem) {
  auto pool = std::make_shared<KvBlockPool>(kShape, 10 * kBlockBytes);
  KvSequence kv(pool, 2);
  append_counting(kv, 0, 100, 0);
  const std::vector<int32_t> even = {0, 20, 40, 60, 80};
  const std::vector<float> rows(even.size() * kDim, 1.0F);
  ASSERT_TRUE(kv.reserve(1, 5).is_ok());
  kv.append(1, even, rows.data(), rows.data());
  kv.advance(100);
  EXPECT_EQ(kv.num_rows(), 100);
  kv.truncate(60);
  EXPECT_EQ(kv.num_rows(), 60);
  EXPECT_EQ(kv.num_tokens(0), 60);
  EXPECT_EQ(kv.num_tokens(1), 3);
  kv.truncate(80);
  EXPECT_EQ(kv.num_rows(), 60);
}

TEST(KvCache, NoRoomIsAnOutcome) {
  auto pool = std::make_shared<KvBlockPool>(kShape, 2 * kBlockBytes);
  KvSequence kv(pool, 1);
  append_counting(kv, 0, 1, 0);
  const Status status = kv.reserve(0, 128);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(num_blocks_left(*pool), 1);  // the block that was taken before the pool was empty went back
  EXPECT_EQ(kv.num_tokens(0), 1);
  EXPECT_EQ(element(kv.blocks(0), kv.blocks(0).keys, 0, kDim - 1), kDim - 1);
  EXPECT_TRUE(kv.reserve(0, 127).is_ok());
}

TEST(KvCache, GivesItsBlocksBack) {
  auto pool = std::make_shared<KvBlockPool>(kShape, 2 * kBlockBytes);
  {
    KvSequence kv(pool, 1);
    append_counting(kv, 0, 128, 0);
    KvSequence moved = std::move(kv);
    EXPECT_EQ(moved.num_tokens(0), 128);
  }
  EXPECT_EQ(num_blocks_left(*pool), 2);
}

TEST(KvCache, ForksShareBlocksUntilOneIsWrittenTo) {
  auto pool = std::make_shared<KvBlockPool>(kShape, 10 * kBlockBytes);
  KvSequence kv(pool, 1);
  append_counting(kv, 0, 100, 0);
  kv.advance(100);
  KvSequence other = kv.fork(90);
  EXPECT_EQ(other.num_rows(), 90);
  EXPECT_EQ(other.num_tokens(0), 90);
  EXPECT_EQ(num_blocks_left(*pool), 8) << "nothing was copied";
  EXPECT_EQ(pool->find_fault(std::vector<const KvSequence*>{&kv, &other}), "");

  append_counting(other, 0, 1, 1000);
  EXPECT_EQ(num_blocks_left(*pool), 7) << "the block that both had begun";
  EXPECT_EQ(other.blocks(0).keys[0], kv.blocks(0).keys[0]) << "a whole block stays shared";
  EXPECT_EQ(element(other.blocks(0), other.blocks(0).keys, 90, 0), 1000);
  EXPECT_EQ(element(other.blocks(0), other.blocks(0).keys, 89, 0), 89 * kDim);
  EXPECT_EQ(element(kv.blocks(0), kv.blocks(0).keys, 90, 0), 90 * kDim) << "the other's rows stay as they were";
  append_counting(kv, 0, 1, 2000);
  EXPECT_EQ(element(kv.blocks(0), kv.blocks(0).keys, 100, 0), 2000);
  EXPECT_EQ(num_blocks_left(*pool), 7) << "its only holder writes in place";
}

TEST(KvCache, BlocksAreFreeOnceNobodyHoldsThem) {
  auto pool = std::make_shared<KvBlockPool>(kShape, 10 * kBlockBytes);
  std::optional<KvSequence> kv(std::in_place, pool, 2);
  append_counting(*kv, 0, 130, 0);
  append_counting(*kv, 1, 10, 0);
  kv->advance(130);
  std::optional<KvSequence> fork(kv->fork(70));
  EXPECT_EQ(num_blocks_left(*pool), 6);
  kv.reset();
  EXPECT_EQ(num_blocks_left(*pool), 7) << "the third block of the first layer";
  EXPECT_EQ(pool->find_fault(std::vector<const KvSequence*>{&*fork}), "");
  EXPECT_NE(pool->find_fault({}), "") << "blocks are held by somebody who is not known";
  fork.reset();
  EXPECT_EQ(num_blocks_left(*pool), 10);
  EXPECT_EQ(pool->find_fault({}), "");
}

TEST(KvCache, WhoCannotCopyABlockKeepsWhatItHas) {
  auto pool = std::make_shared<KvBlockPool>(kShape, 1 * kBlockBytes);
  KvSequence kv(pool, 1);
  append_counting(kv, 0, 10, 0);
  kv.advance(10);
  KvSequence other = kv.fork(10);
  EXPECT_FALSE(other.reserve(0, 1).is_ok());
  EXPECT_EQ(other.num_tokens(0), 10);
  EXPECT_EQ(element(other.blocks(0), other.blocks(0).keys, 9, 0), 9 * kDim);
  EXPECT_EQ(pool->find_fault(std::vector<const KvSequence*>{&kv, &other}), "");
}

}  // namespace
}  // namespace saccade
