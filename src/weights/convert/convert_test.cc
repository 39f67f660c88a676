#include "weights/convert/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weights/convert/test_checkpoints.h"
#include "weights/model_files.h"

namespace saccade {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_files::add_clip_tower;
using testing_files::add_decoder;
using testing_files::kModelDim;
using testing_files::TempDir;
using testing_files::TestCheckpoint;
using testing_files::write_byte_level_tokenizer;

class ConvertTest : public ::testing::Test {
 protected:
  ConvertOptions options(DType type = DType::kF32) {
    ConvertOptions options;
    options.hf_dir = dir_.root();
    options.out_path = out_.path("model.gguf");
    options.type = type;
    options.num_threads = 1;
    return options;
  }
  ConvertReport convert(const ConvertOptions& options) {
    auto report = convert_checkpoint(options);
    EXPECT_TRUE(report) << report.status().message();
    return report ? *report : ConvertReport();
  }
  std::string error(const ConvertOptions& options) {
    const auto report = convert_checkpoint(options);
    EXPECT_EQ(out_.num_files(), 0u);
    return report ? "no error" : report.status().message();
  }
  void write_llama() {
    TestCheckpoint checkpoint;
    add_decoder(checkpoint, "model.");
    checkpoint.write(dir_);
    dir_.write("config.json", testing_files::text_config("LlamaForCausalLM", "llama"));
    write_byte_level_tokenizer(dir_);
  }
  void write_llava(bool is_new_layout) {
    TestCheckpoint checkpoint;
    add_decoder(checkpoint, is_new_layout ? "model.language_model." : "language_model.model.");
    checkpoint.add(is_new_layout ? "lm_head.weight" : "language_model.lm_head.weight", {16, kModelDim}, 1000);
    const std::string root = is_new_layout ? "model." : "";
    add_clip_tower(checkpoint, root + (is_new_layout ? "vision_tower." : "vision_tower.vision_model."));
    checkpoint.add(root + "multi_modal_projector.linear_1.weight", {kModelDim, 32});
    checkpoint.add(root + "multi_modal_projector.linear_1.bias", {kModelDim});
    checkpoint.add(root + "multi_modal_projector.linear_2.weight", {kModelDim, kModelDim});
    checkpoint.write(dir_);
    dir_.write("config.json", testing_files::llava_config());
    dir_.write("preprocessor_config.json",
               R"({"image_mean": [0.5, 0.25, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 3, "do_pad": true})");
    write_byte_level_tokenizer(dir_);
  }
  TempDir dir_{"in"};
  TempDir out_{"out"};
};

TEST_F(ConvertTest, LlamaRowsOfQAndKArePermutedAndTheRestIsKept) {
  write_llama();
  const ConvertReport report = convert(options());
  EXPECT_EQ(report.architecture, "llama");
  EXPECT_THAT(report.warnings, IsEmpty());
  const auto file = GgufFile::open(out_.path("model.gguf"));
  ASSERT_TRUE(file) << file.status().message();
  // Two heads of 16: row 1 of the file is the first of the second half of head 0, row 8 of the checkpoint.
  const auto q = file->find("blk.0.attn_q.weight")->view.floats();
  const auto v = file->find("blk.0.attn_v.weight")->view.floats();
  const float base_q = q[0];
  EXPECT_EQ(q[1 * kModelDim], base_q + 8 * kModelDim);
  EXPECT_EQ(q[2 * kModelDim], base_q + 1 * kModelDim);
  EXPECT_EQ(q[17 * kModelDim + 5], base_q + 24 * kModelDim + 5);
  EXPECT_EQ(v[1 * kModelDim], v[0] + 1 * kModelDim);
  EXPECT_EQ(*file->metadata().integer("llama.attention.head_count_kv", 0, 9), 1);
  EXPECT_EQ(*file->metadata().integer("llama.vocab_size", 0, 99), 16);
  EXPECT_EQ(file->find("output.weight"), nullptr);
  EXPECT_EQ(file->metadata().find_strings("tokenizer.ggml.tokens")->size(), 16u);
}

TEST_F(ConvertTest, TypesFollowTheTable) {
  write_llama();
  const ConvertReport report = convert(options(DType::kQ4_0));
  const auto file = GgufFile::open(out_.path("model.gguf"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->find("token_embd.weight")->view.dtype, DType::kQ8_0);
  EXPECT_EQ(file->find("blk.1.attn_q.weight")->view.dtype, DType::kQ4_0);
  EXPECT_EQ(file->find("blk.1.attn_norm.weight")->view.dtype, DType::kF32);
  // ffn_dim is 40, no multiple of 32.
  EXPECT_EQ(file->find("blk.1.ffn_down.weight")->view.dtype, DType::kF16);
  EXPECT_THAT(report.fallbacks, Contains(HasSubstr("blk.1.ffn_down.weight: f16")));
}

TEST_F(ConvertTest, LlavaOfBothLayoutsGivesTheSamePair) {
  std::vector<std::string> files;
  for (const bool is_new_layout : {false, true}) {
    write_llava(is_new_layout);
    ConvertOptions pair = options();
    pair.mmproj_path = out_.path("mmproj.gguf");
    const ConvertReport report = convert(pair);
    EXPECT_EQ(report.files.size(), 2u);
    EXPECT_THAT(report.warnings, IsEmpty());
    const auto opened = ModelFiles::open(pair.out_path, pair.mmproj_path);
    ASSERT_TRUE(opened) << opened.status().message();
    const Metadata& clip = opened->vision_metadata();
    EXPECT_EQ(*clip.integer("clip.vision.block_count", 0, 99), 2);  // of 3, for hidden_states[-2]
    EXPECT_EQ(*clip.integers("clip.vision.feature_layer"), (std::vector<int64_t>{2}));
    EXPECT_EQ(*clip.string("saccade.vision.resize_mode"), "pad");
    EXPECT_EQ(*clip.string("saccade.vision.resample"), "bicubic");
    EXPECT_EQ((*clip.numbers("clip.vision.image_mean"))[1], 0.25);
    EXPECT_FALSE(*clip.boolean("clip.use_gelu"));
    const GgufFile& vision = opened->vision_file();
    EXPECT_EQ(vision.find("v.blk.2.ln1.weight"), nullptr);
    EXPECT_EQ(vision.find("v.post_ln.weight"), nullptr);
    ASSERT_NE(vision.find("mm.2.bias"), nullptr);  // llama.cpp needs one where the checkpoint has none
    EXPECT_EQ(vision.find("mm.2.bias")->view.floats()[0], 0);
    EXPECT_NE(opened->language_file().find("output.weight"), nullptr);
    files.push_back(out_.read("mmproj.gguf"));
  }
  EXPECT_TRUE(files[0] == files[1]);  // not EXPECT_EQ, which would print both
}

TEST_F(ConvertTest, ASingleFileHasBothParts) {
  write_llava(true);
  convert(options(DType::kQ8_0));
  const auto opened = ModelFiles::open(out_.path("model.gguf"), "");
  ASSERT_TRUE(opened) << opened.status().message();
  EXPECT_TRUE(opened->has_vision());
  EXPECT_EQ(opened->vision_file().find("v.patch_embd.weight")->view.dtype, DType::kF16);
  EXPECT_EQ(opened->vision_file().find("v.position_embd.weight")->view.dtype, DType::kF32);
}

TEST_F(ConvertTest, AdaLlavaTakesItsTowerFromAnotherFolderAndKeepsItsScheduler) {
  TestCheckpoint checkpoint;
  add_decoder(checkpoint, "model.");
  checkpoint.add("lm_head.weight", {16, kModelDim}, 1000);
  checkpoint.add("model.mm_projector.0.weight", {kModelDim, 32});
  checkpoint.add("model.mm_projector.0.bias", {kModelDim});
  checkpoint.add("model.mm_projector.2.weight", {kModelDim, kModelDim});
  checkpoint.add("model.mm_projector.2.bias", {kModelDim});
  testing_files::add_scheduler(checkpoint);
  checkpoint.write(dir_);
  dir_.write("config.json", testing_files::ada_config());
  write_byte_level_tokenizer(dir_);
  EXPECT_THAT(error(options()), HasSubstr("--vision-tower"));
  const TempDir tower_dir("tower");
  TestCheckpoint tower;
  add_clip_tower(tower, "vision_model.");
  tower.add("text_model.final_layer_norm.weight", {4});
  tower.write(tower_dir);
  tower_dir.write("config.json", R"({"vision_config": )" + testing_files::clip_config() + "}");
  ConvertOptions with_tower = options(DType::kF16);
  with_tower.vision_tower_dir = tower_dir.root();
  convert(with_tower);
  const auto file = GgufFile::open(out_.path("model.gguf"));
  ASSERT_TRUE(file);
  EXPECT_EQ(*file->metadata().integer("ada.num_prefix_layers", 0, 99), 1);
  EXPECT_EQ(*file->metadata().string("ada.scheduler_type"), "L");
  EXPECT_EQ(*file->metadata().integer("ada.scheduler_rank", 0, 99), 8);
  EXPECT_EQ(*file->metadata().string("saccade.vision.resize_mode"), "pad");
  EXPECT_EQ(file->find("ada.scheduler.mlp_head.weight")->view.dtype, DType::kF32);
  EXPECT_NE(file->find("ada.scheduler.scheduler_up_proj.net.3.bias"), nullptr);
}

TEST_F(ConvertTest, ErrorsNameWhatIsWrongAndLeaveNothing) {
  write_llama();
  dir_.write("config.json", R"({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"})");
  EXPECT_THAT(error(options()), HasSubstr("\"GPT2LMHeadModel\""));
  EXPECT_THAT(error(options()), HasSubstr("known: LlavaForConditionalGeneration"));
  dir_.write("config.json", testing_files::text_config("LlamaForCausalLM", "llama", R"("num_hidden_layers": 3,)"));
  EXPECT_THAT(error(options()),
              HasSubstr(dir_.root() + ": tensor \"model.layers.2.input_layernorm.weight\" is missing"));
  EXPECT_EQ(convert_checkpoint(options()).status().code(), StatusCode::kCorruptData);
  dir_.write("config.json", testing_files::text_config("LlamaForCausalLM", "llama", R"("intermediate_size": 48,)"));
  EXPECT_THAT(error(options()), HasSubstr("\"model.layers.0.mlp.gate_proj.weight\" is F32 [40, 32]"));
  dir_.write("config.json", testing_files::text_config("LlamaForCausalLM", "llama", R"("hidden_act": "relu",)"));
  EXPECT_THAT(error(options()), HasSubstr("relu"));
  dir_.write("config.json", testing_files::text_config("LlamaForCausalLM", "llama", R"("rms_norm_eps": "small",)"));
  EXPECT_THAT(error(options()), HasSubstr("\"rms_norm_eps\""));
  dir_.write("config.json", "{");
  EXPECT_THAT(error(options()), HasSubstr("config.json: not valid JSON"));
  ConvertOptions wrong = options(DType::kQ6_K);
  EXPECT_THAT(error(wrong), HasSubstr("q6_k"));
  wrong = options();
  wrong.hf_dir = dir_.path("absent");
  EXPECT_THAT(error(wrong), HasSubstr("not a folder"));
}

TEST_F(ConvertTest, TheTwoFilesOfAPairAreTwo) {
  write_llava(true);
  ConvertOptions pair = options();
  pair.mmproj_path = out_.root() + "/./model.gguf";
  EXPECT_THAT(error(pair), HasSubstr("the same name"));
  pair.mmproj_path = std::filesystem::relative(pair.out_path).string();
  EXPECT_THAT(error(pair), HasSubstr("the same name"));
}

TEST_F(ConvertTest, TextAloneHasNoMmproj) {
  write_llama();
  ConvertOptions pair = options();
  pair.mmproj_path = out_.path("mmproj.gguf");
  EXPECT_THAT(error(pair), HasSubstr("has no vision part"));
}

TEST_F(ConvertTest, CancellingLeavesNothing) {
  write_llava(true);
  ConvertOptions pair = options();
  pair.mmproj_path = out_.path("mmproj.gguf");
  pair.progress = [](double fraction, std::string_view) { return fraction < 0.9; };
  EXPECT_THAT(error(pair), HasSubstr("cancelled"));
}

TEST_F(ConvertTest, CancellingInsideATensorLeavesNothing) {
  TestCheckpoint checkpoint;
  add_decoder(checkpoint, "model.");
  checkpoint.add("model.embed_tokens.weight", {40000, kModelDim});  // 5 MB
  checkpoint.write(dir_);
  dir_.write("config.json", testing_files::text_config("LlamaForCausalLM", "llama"));
  write_byte_level_tokenizer(dir_);
  ConvertOptions cancelled = options();
  int num_calls = 0;
  cancelled.progress = [&](double, std::string_view tensor) {
    if (tensor == "token_embd.weight") ++num_calls;
    return num_calls < 2;
  };
  EXPECT_THAT(error(cancelled), HasSubstr("cancelled"));
  EXPECT_EQ(num_calls, 2);
}

TEST_F(ConvertTest, AMissingTensorIsNamedAsItsCheckpointWouldNameIt) {
  for (const bool is_new_layout : {false, true}) {
    write_llava(is_new_layout);
    Json config = Json::parse(testing_files::llava_config());
    config["text_config"]["num_hidden_layers"] = 3;
    dir_.write("config.json", config.dump());
    EXPECT_THAT(error(options()),
                HasSubstr(is_new_layout ? "\"model.language_model.layers.2.input_layernorm.weight\""
                                        : "\"language_model.model.layers.2.input_layernorm.weight\""));
    config["text_config"]["num_hidden_layers"] = 2;
    config["vision_config"]["num_hidden_layers"] = 5;
    dir_.write("config.json", config.dump());
    EXPECT_THAT(error(options()),
                HasSubstr(is_new_layout ? "\"model.vision_tower.encoder.layers.3.layer_norm1.weight\""
                                        : "\"vision_tower.vision_model.encoder.layers.3.layer_norm1.weight\""));
  }
}

TEST_F(ConvertTest, FilesThatAreNotWhatTheirNamesSay) {
  write_llama();
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
  for (const char* name : {"tokenizer.model", "tokenizer.json", "model.safetensors", "config.json"}) {
    dir_.write(name, pointer);
    EXPECT_THAT(error(options()), AllOf(HasSubstr(dir_.path(name)), HasSubstr("`git lfs pull`"))) << name;
  }
  dir_.write("config.json", "{\"a\": \"" + std::string(4 << 20, 'x') + "\"}");
  EXPECT_THAT(error(options()), AllOf(HasSubstr("config.json: JSON of 4.19 MB"), HasSubstr("at most 4.19 MB")));
  EXPECT_EQ(convert_checkpoint(options()).status().code(), StatusCode::kResourceExhausted);
}

// tokenizer.json's word on spaces goes before tokenizer.model's.
TEST_F(ConvertTest, TheSchemeForSpacesInFrontIsKept) {
  write_llama();
  const auto write_tokenizer = [&](const std::string& scheme) {
    dir_.write("tokenizer.json", R"({"pre_tokenizer": {"type": "Metaspace", "prepend_scheme": ")" + scheme + R"("},
      "model": {"type": "BPE", "byte_fallback": true, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
  };
  const auto converted = [&] {
    convert(options());
    const auto file = GgufFile::open(out_.path("model.gguf"));
    EXPECT_TRUE(file);
    const bool adds_prefix = *file->metadata().boolean("tokenizer.ggml.add_space_prefix");
    return std::pair(adds_prefix, *file->metadata().string_or("saccade.tokenizer.prepend_scheme", "absent"));
  };
  write_tokenizer("first");
  EXPECT_EQ(converted(), (std::pair<bool, std::string>(true, "first")));
  write_tokenizer("always");
  EXPECT_EQ(converted(), (std::pair<bool, std::string>(true, "always")));
  write_tokenizer("never");
  EXPECT_EQ(converted(), (std::pair<bool, std::string>(false, "absent")));
}

TEST_F(ConvertTest, UnknownTensorsAreReported) {
  TestCheckpoint checkpoint;
  add_decoder(checkpoint, "model.");
  checkpoint.add("model.layers.0.self_attn.q_norm.weight", {16});
  checkpoint.write(dir_);
  dir_.write("config.json", testing_files::text_config("LlamaForCausalLM", "llama"));
  write_byte_level_tokenizer(dir_);
  EXPECT_THAT(convert(options()).warnings, Contains(HasSubstr("model.layers.0.self_attn.q_norm.weight")));
}

TEST_F(ConvertTest, RopeScalingOfBothLayouts) {
  write_llama();
  dir_.write("config.json", testing_files::text_config("LlamaForCausalLM", "llama", R"("rope_theta": 500000.0,
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                     "original_max_position_embeddings": 8192},)"));
  convert(options());
  auto file = GgufFile::open(out_.path("model.gguf"));
  ASSERT_TRUE(file);
  const auto divisors = file->find("rope_freqs.weight")->view.floats();
  ASSERT_EQ(divisors.size(), 8u);
  EXPECT_EQ(divisors[0], 1);
  EXPECT_EQ(divisors[7], 8);  // wavelength 2 pi 500000^(14/16), over 8192
  dir_.write("config.json", testing_files::text_config("LlamaForCausalLM", "llama", R"(
    "rope_parameters": {"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0,
                        "original_max_position_embeddings": 128},)"));
  convert(options());
  file = GgufFile::open(out_.path("model.gguf"));
  ASSERT_TRUE(file);
  EXPECT_EQ(*file->metadata().string("llama.rope.scaling.type"), "yarn");
  EXPECT_EQ(*file->metadata().number("llama.rope.freq_base"), 1000);
  EXPECT_EQ(*file->metadata().integer("llama.rope.scaling.original_context_length", 0, 999), 128);
}

TEST_F(ConvertTest, QwenSplitsItsFusedTensors) {
  TestCheckpoint checkpoint;
  add_decoder(checkpoint, "model.language_model.");
  testing_files::add_qwen2_tower(checkpoint, "model.visual.");
  checkpoint.write(dir_);
  dir_.write("config.json", testing_files::qwen2_vl_config());
  write_byte_level_tokenizer(dir_);
  const ConvertReport report = convert(options());
  EXPECT_EQ(report.architecture, "qwen2vl");
  const auto file = GgufFile::open(out_.path("model.gguf"));
  ASSERT_TRUE(file);
  EXPECT_EQ(*file->metadata().integers("qwen2vl.rope.dimension_sections"), (std::vector<int64_t>{2, 3, 3, 0}));
  const auto q = file->find("v.blk.0.attn_q.weight")->view.floats();
  const auto k = file->find("v.blk.0.attn_k.weight")->view.floats();
  const auto v_bias = file->find("v.blk.0.attn_v.bias")->view.floats();
  const auto q_bias = file->find("v.blk.0.attn_q.bias")->view.floats();
  EXPECT_EQ(k[0], q[0] + 32 * 32);
  EXPECT_EQ(v_bias[3], q_bias[3] + 64);
  // [E, 3, 2, 4, 4]: frame 1 of channel 0 is 16 values after frame 0, channel 1 another 16.
  const auto first = file->find("v.patch_embd.weight")->view.floats();
  const auto second = file->find("v.patch_embd.weight.1")->view.floats();
  EXPECT_EQ(second[0], first[0] + 16);
  EXPECT_EQ(first[16], first[0] + 32);
  EXPECT_EQ(second[16 + 5], first[0] + 48 + 5);
  // q and k of this decoder keep their order.
  const auto lm_q = file->find("blk.0.attn_q.weight")->view.floats();
  EXPECT_EQ(lm_q[kModelDim], lm_q[0] + kModelDim);
}

TEST_F(ConvertTest, SmolVlmKeepsTilesAndPostNorm) {
  TestCheckpoint checkpoint;
  add_decoder(checkpoint, "model.text_model.");
  testing_files::add_siglip_tower(checkpoint, "model.vision_model.");
  checkpoint.add("model.connector.modality_projection.proj.weight", {kModelDim, 32 * 4});
  checkpoint.write(dir_);
  dir_.write("config.json", testing_files::smolvlm_config());
  dir_.write("processor_config.json", R"({"image_processor": {"image_mean": [0.5, 0.5, 0.5], "image_std": [1, 1, 1],
    "size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 16}, "do_image_splitting": false}})");
  write_byte_level_tokenizer(dir_);
  EXPECT_THAT(convert(options()).warnings, IsEmpty());
  const auto file = GgufFile::open(out_.path("model.gguf"));
  ASSERT_TRUE(file);
  EXPECT_EQ(*file->metadata().integer("clip.vision.preproc_image_size", 0, 999), 64);
  EXPECT_EQ(*file->metadata().integer("saccade.vision.tile_size", 0, 999), 16);
  EXPECT_FALSE(*file->metadata().boolean("saccade.vision.is_split"));
  EXPECT_TRUE(*file->metadata().boolean("clip.use_gelu"));
  EXPECT_NE(file->find("v.post_ln.weight"), nullptr);
  EXPECT_NE(file->find("v.patch_embd.bias"), nullptr);
  EXPECT_EQ(file->find("mm.model.fc.weight")->view.shape, (Shape{kModelDim, 128}));
}

}  // namespace
}  // namespace saccade
