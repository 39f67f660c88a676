#include "weights/model_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weights/inspect.h"
#include "weights/test_files.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;
using testing_files::TempDir;

GgufKeys language_keys() {
  GgufKeys keys;
  keys.set_string("general.architecture", "llama");
  keys.set_u32("llama.block_count", 2);
  keys.set_u32("llama.embedding_length", 64);
  keys.set_u32("llama.feed_forward_length", 128);
  keys.set_u32("llama.context_length", 512);
  keys.set_u32("llama.attention.head_count", 4);
  keys.set_u32("llama.attention.head_count_kv", 2);
  return keys;
}

GgufKeys vision_keys(const char* architecture) {
  GgufKeys keys;
  keys.set_string("general.architecture", architecture);
  keys.set_string("clip.projector_type", "mlp");
  keys.set_u32("clip.vision.embedding_length", 64);
  return keys;
}

const std::vector<GgufTensorPlan> kLanguageTensors = {{"token_embd.weight", Shape{10, 64}, DType::kQ8_0},
                                                      {"blk.0.attn_q.weight", Shape{64, 64}, DType::kQ4_0},
                                                      {"blk.0.attn_norm.weight", Shape{64}, DType::kF32}};
const std::vector<GgufTensorPlan> kVisionTensors = {{"v.patch_embd.weight", Shape{64, 3, 2, 2}, DType::kF16}};

class ModelFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(testing_files::write_gguf(dir_.path("lm"), language_keys(), kLanguageTensors).is_ok());
    ASSERT_TRUE(testing_files::write_gguf(dir_.path("mmproj"), vision_keys("clip"), kVisionTensors).is_ok());
    GgufKeys both = language_keys();
    both.append(vision_keys("llama"));
    std::vector<GgufTensorPlan> tensors = kLanguageTensors;
    tensors.insert(tensors.end(), kVisionTensors.begin(), kVisionTensors.end());
    ASSERT_TRUE(testing_files::write_gguf(dir_.path("both"), both, tensors).is_ok());
  }
  std::string error(const std::string& model, const std::string& mmproj) {
    const auto files = ModelFiles::open(dir_.path(model), mmproj.empty() ? "" : dir_.path(mmproj));
    return files ? "no error" : files.status().message();
  }
  TempDir dir_;
};

TEST_F(ModelFilesTest, OpensAPairASingleFileAndTextAlone) {
  const auto pair = ModelFiles::open(dir_.path("lm"), dir_.path("mmproj"));
  ASSERT_TRUE(pair) << pair.status().message();
  EXPECT_TRUE(pair->has_vision());
  EXPECT_FALSE(pair->is_single_file());
  EXPECT_NE(pair->vision_file().find("v.patch_embd.weight"), nullptr);
  const auto both = ModelFiles::open(dir_.path("both"), "");
  ASSERT_TRUE(both) << both.status().message();
  EXPECT_TRUE(both->has_vision());
  EXPECT_TRUE(both->is_single_file());
  const auto text = ModelFiles::open(dir_.path("lm"), "");
  ASSERT_TRUE(text) << text.status().message();
  EXPECT_FALSE(text->has_vision());
}

TEST_F(ModelFilesTest, ExplainsWrongPairs) {
  EXPECT_THAT(error("mmproj", "lm"), HasSubstr("swapped"));
  EXPECT_THAT(error("mmproj", ""), HasSubstr("give the language model first"));
  EXPECT_THAT(error("mmproj", "mmproj"), HasSubstr("both files are vision parts"));
  EXPECT_THAT(error("lm", "lm"), HasSubstr("a language model, not a vision part"));
  EXPECT_THAT(error("lm", "both"), HasSubstr("without --mmproj"));
  dir_.write("text", "hello");
  EXPECT_THAT(error("lm", "text"), HasSubstr("not a GGUF file"));
}

TEST_F(ModelFilesTest, ExplainsFilesThatAreNoModel) {
  GgufKeys split = language_keys();
  split.set("split.count", GgufValueType::kUint16, int64_t{3});
  ASSERT_TRUE(testing_files::write_gguf(dir_.path("split"), split, {}).is_ok());
  EXPECT_THAT(error("split", ""), HasSubstr("one of 3 parts"));
  GgufKeys adapter = language_keys();
  adapter.set_string("general.type", "adapter");
  ASSERT_TRUE(testing_files::write_gguf(dir_.path("lora"), adapter, {}).is_ok());
  EXPECT_THAT(error("lora", ""), HasSubstr("LoRA"));
  ASSERT_TRUE(testing_files::write_gguf(dir_.path("nothing"), {}, {}).is_ok());
  EXPECT_THAT(error("nothing", ""), HasSubstr("general.architecture"));
}

TEST_F(ModelFilesTest, TensorsAreTakenByShape) {
  const auto files = ModelFiles::open(dir_.path("lm"), "");
  ASSERT_TRUE(files);
  const TensorSource source(files->language_file());
  EXPECT_TRUE(source.take("token_embd.weight", Shape{10, 64}));
  EXPECT_EQ(source.take("blk.0.attn_norm.weight", Shape{1, 64})->shape, (Shape{1, 64}));
  const auto wrong = source.take("token_embd.weight", Shape{64, 10});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.status().message(), HasSubstr("has shape [10, 64], [64, 10] is needed"));
  EXPECT_EQ(source.take("absent", Shape{1}).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(*source.take_if_present("absent", Shape{1}));
  EXPECT_FALSE(source.peek("absent"));
  const auto norm = source.take_as_f32("blk.0.attn_norm.weight", Shape{64});
  ASSERT_TRUE(norm);
  float expected = 0;
  std::memset(&expected, 3, sizeof(expected));
  EXPECT_EQ(norm->floats()[63], expected);
  EXPECT_TRUE(source.take_as_f32_if_present("absent", Shape{1})->is_empty());
}

TEST_F(ModelFilesTest, NamesATensorThatNobodyTook) {
  const auto files = ModelFiles::open(dir_.path("lm"), "");
  ASSERT_TRUE(files);
  const TensorSource source(files->language_file());
  EXPECT_TRUE(source.check_all_taken("v.").is_ok());
  const TensorSource copy = source;  // shares what was taken
  EXPECT_TRUE(copy.take("blk.0.attn_q.weight", Shape{64, 64}));
  EXPECT_FALSE(source.take("blk.0.attn_norm.weight", Shape{65}));  // does not count
  const Status status = source.check_all_taken("blk.");
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("blk.0.attn_norm.weight"));
  source.leave_out("blk.0.attn_n");
  EXPECT_TRUE(source.check_all_taken("blk.").is_ok());
  EXPECT_EQ(source.check_all_taken("").code(), StatusCode::kUnsupported);  // token_embd.weight
}

TEST_F(ModelFilesTest, FactsForInspect) {
  const auto files = ModelFiles::open(dir_.path("lm"), dir_.path("mmproj"));
  ASSERT_TRUE(files);
  const auto facts = inspect_model(*files);
  ASSERT_TRUE(facts) << facts.status().message();
  EXPECT_EQ(facts->quantization, "q4_0");
  EXPECT_EQ(facts->num_language_parameters, 640u + 4096u + 64u);
  EXPECT_EQ(facts->num_vision_parameters, 768u);
  EXPECT_EQ(facts->projector_type, "mlp");
  EXPECT_EQ(facts->head_dim, 16);
  EXPECT_EQ(facts->types.front().dtype, DType::kQ4_0);
  EXPECT_EQ(facts->file_bytes, dir_.read("lm").size() + dir_.read("mmproj").size());
  // 2 (key, value) * 2 layers * 2 heads * 16 * 100 tokens * 4 bytes
  EXPECT_EQ(kv_cache_bytes(*facts, 100, 4), 2u * 2 * 2 * 16 * 100 * 4);
  EXPECT_GT(estimated_memory_bytes(*facts, 100, 32, 4), facts->file_bytes + kv_cache_bytes(*facts, 100, 4));
}

TEST(Metadata, NamesTheKeyAndTheKinds) {
  Metadata metadata;
  metadata.set("a", std::string("text"));
  metadata.set("n", int64_t{5});
  metadata.set("nan", std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(metadata.integer("a", 0, 1).status().message(), HasSubstr("key \"a\" is a string, not an integer"));
  EXPECT_THAT(metadata.integer("n", 0, 4).status().message(), HasSubstr("5, outside 0 to 4"));
  EXPECT_EQ(metadata.string("b").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(*metadata.number("n"), 5);
  EXPECT_FALSE(metadata.number("nan"));
  EXPECT_EQ(*metadata.integer_or("b", 9, 0, 1), 9);
  EXPECT_FALSE(metadata.boolean_or("a", true));
}

}  // namespace
}  // namespace saccade
