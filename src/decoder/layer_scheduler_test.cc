#include "decoder/layer_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "decoder/decoder.h"
#include "decoder/testing/tiny_decoder_file.h"

namespace saccade {
namespace {

using ::saccade::testing::kTinyModelDim;
using ::saccade::testing::TinyDecoderFile;
using ::testing::HasSubstr;

constexpr int kNumLayers = 6;
constexpr int kNumPrefix = 2;

// With as many key/value heads as heads, and a scheduler behind two layers, its head's bias being `logits`.
TinyDecoderFile scheduled_file(const std::string& type, const std::vector<float>& logits) {
  TinyDecoderFile file("llama", kNumLayers);
  file.keys.set_u32("llama.attention.head_count_kv", 4);
  for (int layer_idx = 0; layer_idx < kNumLayers; ++layer_idx) {
    for (const char* part : {"attn_k", "attn_v"}) file.add(format("blk.%d.%s.weight", layer_idx, part), Shape{16, 16});
  }
  file.keys.set_u32("clip.vision.embedding_length", 8);
  file.add("v.patch_embd.weight", Shape{8, 3, 2, 2});
  file.keys.set_u32("ada.num_prefix_layers", kNumPrefix);
  file.keys.set_string("ada.scheduler_type", type);
  file.keys.set_u32("ada.scheduler_rank", 2);
  file.add_linear("ada.scheduler.scheduler_up_proj.net.1", kTinyModelDim, 8);
  file.add_linear("ada.scheduler.scheduler_up_proj.net.3", kTinyModelDim, kTinyModelDim);
  for (const char* kind : {"weight", "bias"}) {
    file.add(format("ada.scheduler.scheduler_up_proj.net.0.%s", kind), Shape{8});
  }
  file.add_linear("ada.scheduler.mlp_head", static_cast<int64_t>(logits.size()), kTinyModelDim);
  file.tensors["ada.scheduler.mlp_head.bias"].values = logits;
  return file;
}

struct Loaded {
  explicit Loaded(const TinyDecoderFile& file) : files(file.open()), decoder(*Decoder::load(files)) {
    auto found = LayerScheduler::load(files, decoder->config());
    EXPECT_TRUE(found) << found.status().message();
    scheduler = *std::move(found);
  }
  ModelFiles files;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<LayerScheduler> scheduler;
};

// Of a hidden state of zeros: the head's bias decides.
SequencePlan settled(const LayerScheduler& scheduler, int64_t count) {
  SequencePlan plan;
  plan.num_scheduled = count;
  scheduler.settle(std::vector<float>(kTinyModelDim, 0.0F), plan);
  return plan;
}

TEST(LayerScheduler, IsAbsentWhereTheFileHasNone) {
  const TinyDecoderFile file;
  const ModelFiles files = file.open();
  const auto scheduler = LayerScheduler::load(files, (*Decoder::load(files))->config());
  ASSERT_TRUE(scheduler);
  EXPECT_EQ(*scheduler, nullptr);
}

TEST(LayerScheduler, PicksTheHighestLayersAndOfEqualOnesTheFirst) {
  const Loaded loaded(scheduled_file("L", {0.5F, 2, 0.5F, -1}));
  EXPECT_EQ(loaded.scheduler->num_options(), 4);
  EXPECT_EQ(settled(*loaded.scheduler, 0).runs_layer, (std::vector<uint8_t>{1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(settled(*loaded.scheduler, 2).runs_layer, (std::vector<uint8_t>{1, 1, 1, 1, 0, 0}));
  EXPECT_EQ(settled(*loaded.scheduler, 3).runs_layer, (std::vector<uint8_t>{1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(settled(*loaded.scheduler, 9).runs_layer, (std::vector<uint8_t>{1, 1, 1, 1, 1, 1}));
}

TEST(LayerScheduler, PicksUnitsOfHeadsAndGroupsInTheLayerOfTheHighest) {
  std::vector<float> logits(4 * 8, 0.0F);
  logits[8 + 5] = 3;       // layer 3: its second group
  logits[8 + 2] = 1;       // and its third head
  logits[2 * 8 + 0] = 2;   // layer 4: its first head
  logits[2 * 8 + 7] = -1;  // not its last group
  const Loaded loaded(scheduled_file("H", logits));
  EXPECT_TRUE(loaded.scheduler->picks_units());
  EXPECT_EQ(loaded.scheduler->num_options(), 8);
  const SequencePlan plan = settled(*loaded.scheduler, 2);
  EXPECT_EQ(plan.runs_layer, (std::vector<uint8_t>{1, 1, 0, 1, 1, 0}));
  EXPECT_EQ(plan.units[3].heads, (std::vector<uint8_t>{1, 0, 1, 0}));
  EXPECT_EQ(plan.units[3].groups, (std::vector<uint8_t>{1, 1, 0, 0}));
  EXPECT_EQ(plan.units[4].heads, (std::vector<uint8_t>{1, 1, 0, 0}));
  EXPECT_EQ(plan.units[4].groups, (std::vector<uint8_t>{1, 1, 0, 0}));
  EXPECT_TRUE(plan.units[0].heads.empty());
  // The third unit: what is left of layer 3 has the highest logit (0, as others, and the first of them is in layer 2).
  EXPECT_EQ(settled(*loaded.scheduler, 3).runs_layer, (std::vector<uint8_t>{1, 1, 1, 1, 1, 0}));
}

TEST(LayerScheduler, ABudgetIsAShareOfAllLayers) {
  const Loaded layers(scheduled_file("L", std::vector<float>(4, 0.0F)));
  EXPECT_EQ(layers.scheduler->num_scheduled(1.0), 4);
  EXPECT_EQ(layers.scheduler->num_scheduled(0.85), 3);
  EXPECT_EQ(layers.scheduler->num_scheduled(0.5), 1);
  EXPECT_EQ(layers.scheduler->num_scheduled(0.1), 0);
  const Loaded units(scheduled_file("H", std::vector<float>(4 * 8, 0.0F)));
  EXPECT_EQ(units.scheduler->num_scheduled(0.85), 6);
}

TEST(LayerScheduler, NamesWhatIsWrongWithItsTensors) {
  TinyDecoderFile file = scheduled_file("L", std::vector<float>(5, 0.0F));
  const ModelFiles files = file.open();
  const auto scheduler = LayerScheduler::load(files, (*Decoder::load(files))->config());
  ASSERT_FALSE(scheduler);
  EXPECT_THAT(scheduler.status().message(), HasSubstr("ada.scheduler.mlp_head.weight"));
  TinyDecoderFile other = scheduled_file("Z", std::vector<float>(4, 0.0F));
  const ModelFiles other_files = other.open();
  const auto unknown = LayerScheduler::load(other_files, (*Decoder::load(other_files))->config());
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.status().message(), HasSubstr("known are L and H"));
}

}  // namespace
}  // namespace saccade
