#include "weights/convert/outline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "weights/convert/convert.h"
#include "weights/test_files.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;
using testing_files::TempDir;

std::string error_of(const std::string& path) {
  const auto files = outline_checkpoint(path, DType::kF16);
  return files ? "no error" : files.status().message();
}

class OutlineOf : public ::testing::TestWithParam<const char*> {};

// Held against what the converter makes of the whole checkpoint.
TEST_P(OutlineOf, IsTheFileThatTheConverterWrites) {
  const std::string folder = std::string(SACCADE_SOURCE_DIR) + "/tests/parity/data/" + GetParam() + "/checkpoint";
  const TempDir out;
  ConvertOptions options;
  options.hf_dir = folder;
  options.out_path = out.path("model.gguf");
  options.type = DType::kQ4_0;
  options.num_threads = 1;
  ASSERT_TRUE(convert_checkpoint(options));
  const auto written = ModelFiles::open(options.out_path, "");
  const auto outline = outline_checkpoint(folder, options.type);
  ASSERT_TRUE(written && outline) << (outline ? "" : outline.status().message());
  for (const auto& [key, value] : written->language_metadata().values()) {
    if (key.starts_with("tokenizer.") || key.starts_with("general.")) continue;
    const MetadataValue* ours = outline->language_metadata().find(key);
    ASSERT_NE(ours, nullptr) << key;
    EXPECT_TRUE(*ours == value) << key;
  }
  for (const NamedTensor& tensor : written->language_file().tensors()) {
    if (tensor.name == "rope_freqs.weight") continue;
    const NamedTensor* ours = outline->language_file().find(tensor.name);
    ASSERT_NE(ours, nullptr) << tensor.name;
    EXPECT_EQ(ours->view.shape, tensor.view.shape) << tensor.name;
    EXPECT_EQ(ours->view.dtype, tensor.view.dtype) << tensor.name;
  }
  for (const NamedTensor& tensor : outline->language_file().tensors()) {
    EXPECT_NE(written->language_file().find(tensor.name), nullptr) << tensor.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, OutlineOf,
                         ::testing::Values("llava", "llava_next", "smolvlm", "idefics3", "qwen2_vl", "qwen2_5_vl",
                                           "text_llama3", "text_qwen2", "text_linear"),
                         [](const auto& family) { return std::string(family.param); });

class OutlineTest : public ::testing::Test {
 protected:
  std::string config(const std::string& text) {
    dir_.write("config.json", text);
    return dir_.path("config.json");
  }
  TempDir dir_;
};

// llava-hf/llava-1.5-7b-hf leaves out nearly all of its language model.
TEST_F(OutlineTest, TakesWhatASettingLeavesOutForItsFamilysDefault) {
  const auto files = outline_checkpoint(
      config(R"({"model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32064}})"), DType::kF16);
  ASSERT_TRUE(files) << files.status().message();
  const GgufFile& file = files->language_file();
  EXPECT_EQ(file.find("blk.31.ffn_down.weight")->view.shape, (Shape{4096, 11008}));
  EXPECT_EQ(file.find("token_embd.weight")->view.shape, (Shape{32064, 4096}));
  EXPECT_EQ(file.find("blk.32.ffn_down.weight"), nullptr);
  EXPECT_EQ(file.find("v.blk.22.ffn_down.weight")->view.shape, (Shape{1024, 4096}));
  EXPECT_EQ(file.find("v.position_embd.weight")->view.shape, (Shape{577, 1024}));
}

TEST_F(OutlineTest, KnowsTheTowerAndTheSchedulerOfAdaLlava) {
  const auto files = outline_checkpoint(config(R"({"model_type": "ada_llava_llama", "vocab_size": 32000,
      "num_prefix_layers": 16, "scheduler_type": "H", "mm_projector_type": "mlp2x_gelu",
      "mm_vision_tower": "openai/clip-vit-large-patch14-336"})"),
                                        DType::kF16);
  ASSERT_TRUE(files) << files.status().message();
  EXPECT_EQ(files->vision_file().find("ada.scheduler.mlp_head.weight")->view.shape, (Shape{1024, 4096}));
  EXPECT_EQ(files->vision_file().find("v.position_embd.weight")->view.shape, (Shape{577, 1024}));
}

TEST_F(OutlineTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(error_of(config(R"({"model_type": "mamba"})")), HasSubstr("\"mamba\""));
  EXPECT_THAT(error_of(config(R"({"model_type": "llama", "hidden_size": "wide"})")), HasSubstr("hidden_size"));
  EXPECT_THAT(error_of(config(R"({"model_type": "llama", "hidden_size": 1048576, "num_hidden_layers": 1024})")),
              HasSubstr("larger than any known"));
  EXPECT_THAT(error_of(config(R"({"model_type": "llava_llama", "mm_projector_type": "mlp2x_gelu",
      "mm_vision_tower": "google/siglip"})")),
              HasSubstr("clip-vit-large-patch14-336"));
  EXPECT_THAT(error_of(config("{\"model_type\"")), HasSubstr("config.json"));
  EXPECT_THAT(error_of(dir_.path("absent.json")), HasSubstr("absent.json"));
}

}  // namespace
}  // namespace saccade
