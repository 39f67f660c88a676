#include "planner/memory_model.h"

#include <gtest/gtest.h>

namespace saccade {
namespace {

constexpr double kMiB = 1 << 20;

// SmolVLM-500M, with keys and values in f16.
ModelShape smolvlm() {
  ModelShape shape;
  shape.tower = TowerShape{.num_layers = 12, .dim = 768, .num_heads = 12, .ffn_dim = 3072, .patches_per_token = 16};
  shape.decoder = {.num_layers = 32,
                   .model_dim = 960,
                   .num_heads = 15,
                   .q_dim = 960,
                   .kv_dim = 320,
                   .ffn_dim = 2560,
                   .vocab_size = 49280};
  return shape;
}

// Qwen2-VL-2B.
ModelShape qwen2_vl() {
  ModelShape shape;
  shape.tower = TowerShape{.num_layers = 32, .dim = 1280, .num_heads = 16, .ffn_dim = 5120, .patches_per_token = 4};
  shape.decoder = {.num_layers = 28,
                   .model_dim = 1536,
                   .num_heads = 12,
                   .q_dim = 1536,
                   .kv_dim = 256,
                   .ffn_dim = 8960,
                   .vocab_size = 151936};
  return shape;
}

MemoryLoad load_of(double patches, double tiles, double tokens, double text_rows, double layers) {
  return {.encoded_tokens = tokens,
          .patches = patches,
          .tiles = tiles,
          .visual_tokens = tokens,
          .new_rows = tokens + text_rows,
          .kept_rows = tokens + text_rows + 4,
          .kept_layers = layers};
}

// Peaks of resident memory over what the loaded model takes, of models with these shapes and random weights.
TEST(MemoryModel, IsWithinAFifthOfWhatWasMeasured) {
  MemoryLoad load = load_of(17408, 17, 1088, 79, 32);
  load.resized_pixels = 17 * 512 * 512;
  EXPECT_NEAR(memory_of(smolvlm(), load).peak(0) / kMiB, 338.7, 0.2 * 338.7);
  load = load_of(13312, 13, 832, 69, 32);
  load.resized_pixels = 13 * 512 * 512;
  EXPECT_NEAR(memory_of(smolvlm(), load).peak(0) / kMiB, 322.5, 0.2 * 322.5);
  load = load_of(4900, 1, 1225, 38, 28);
  load.resized_pixels = 4900 * 14 * 14;
  EXPECT_NEAR(memory_of(qwen2_vl(), load).peak(0) / kMiB, 262.4, 0.2 * 262.4);
  load = load_of(1296, 1, 324, 38, 28);
  load.resized_pixels = 1296 * 14 * 14;
  EXPECT_NEAR(memory_of(qwen2_vl(), load).peak(0) / kMiB, 111.4, 0.2 * 111.4);
}

TEST(MemoryModel, TheCacheIsInBlocksAndTakenOnce) {
  const MemoryLoad load = {.new_rows = 1, .kept_rows = 65, .kept_layers = 32};
  const MemoryUse use = memory_of(smolvlm(), load);
  EXPECT_EQ(use.cache, 128.0 * 32 * 2 * 320 * 2);
  EXPECT_EQ(use.peak(0) - use.peak(use.cache), use.cache);
  EXPECT_EQ(use.peak(2 * use.cache), use.peak(use.cache));
}

TEST(MemoryModel, NothingButTextTakesNoMemoryForPictures) {
  const MemoryUse use = memory_of(smolvlm(), {.new_rows = 10, .kept_rows = 10, .kept_layers = 32});
  EXPECT_EQ(use.media + use.encode + use.compress, 0);
  EXPECT_GT(use.prefill, 0);
}

TEST(MemoryModel, LargePicturesFilesAndChoicesCount) {
  MemoryLoad load = load_of(4900, 1, 1225, 38, 28);
  const MemoryUse before = memory_of(qwen2_vl(), load);
  load.file_pixels = 200e6;
  EXPECT_GE(memory_of(qwen2_vl(), load).peak(0), 600e6);
  load.tokens_vary = true;
  EXPECT_EQ(before.compress, 0);
  EXPECT_GT(memory_of(qwen2_vl(), load).compress, 4 * 1225.0 * 1225);
}

}  // namespace
}  // namespace saccade
