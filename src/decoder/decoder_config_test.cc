#include "decoder/decoder_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "decoder/testing/tiny_decoder_file.h"

namespace saccade {
namespace {

using ::saccade::testing::TinyDecoderFile;
using ::testing::AllOf;
using ::testing::HasSubstr;

Expected<DecoderConfig> read(const TinyDecoderFile& file) {
  const ModelFiles files = file.open();
  return read_decoder_config(TensorSource(files.language_file()));
}

// The error for a tiny model with one change.
Status error_of(const std::string& architecture, const std::function<void(TinyDecoderFile&)>& change) {
  TinyDecoderFile file(architecture);
  change(file);
  const auto config = read(file);
  EXPECT_FALSE(config);
  return config ? Status() : config.status();
}

TEST(DecoderConfig, ReadsALlama) {
  TinyDecoderFile file;
  file.keys.set_f32("llama.rope.freq_base", 500000);
  file.keys.set_u32("llama.rope.dimension_count", 2);
  const auto config = read(file);
  ASSERT_TRUE(config) << config.status().message();
  EXPECT_EQ(config->head_dim, 4);
  EXPECT_EQ(config->kv_dim(), 8);
  EXPECT_EQ(config->vocab_size, 20);
  EXPECT_EQ(config->rope.rotary_dim, 2);
  EXPECT_EQ(config->rope.base, 500000);
  EXPECT_EQ(config->rope.scaling, RopeScaling::kNone);
  EXPECT_EQ(config->rope.pairing, RopePairing::kInterleaved);
}

TEST(DecoderConfig, RefusesIntegersOutsideWhatAModelCanHave) {
  struct Case {
    const char* key;
    std::vector<int64_t> values;
  };
  const int64_t huge = std::numeric_limits<int64_t>::max();
  for (const Case& hostile : std::initializer_list<Case>{{"embedding_length", {0, -1, huge, 1 << 21}},
                                                         {"block_count", {0, -3, 5000, huge}},
                                                         {"feed_forward_length", {0, -1, huge}},
                                                         {"attention.head_count", {0, -4, huge}},
                                                         {"attention.head_count_kv", {0, 3, 5, huge}},
                                                         {"attention.key_length", {0, 1, -8, huge}},
                                                         {"attention.value_length", {0, 8, huge}},
                                                         {"context_length", {0, -1, huge}},
                                                         {"rope.dimension_count", {0, 1, 3, 6, -2, huge}},
                                                         {"expert_count", {-1, 8, huge}}}) {
    for (const int64_t value : hostile.values) {
      const Status status = error_of("llama", [&](TinyDecoderFile& file) {
        file.keys.set(std::string("llama.") + hostile.key, GgufValueType::kInt64, value);
      });
      EXPECT_THAT(status.message(), HasSubstr("llama")) << hostile.key << " " << value;
    }
  }
  // More heads than dimensions.
  EXPECT_THAT(error_of("llama", [](auto& file) { file.keys.set_u32("llama.attention.head_count", 32); }).message(),
              HasSubstr("fewer than two dimensions"));
}

TEST(DecoderConfig, RefusesNumbersThatMakeNoFrequencies) {
  const double kNan = std::nan("");
  struct Case {
    const char* key;
    std::vector<double> values;
  };
  for (const Case& hostile :
       std::initializer_list<Case>{{"rope.freq_base", {0, 1, -10000, 1e30, HUGE_VAL, kNan}},
                                   {"rope.scaling.factor", {0, -2, 1e-30, 1e300, kNan}},
                                   {"rope.scaling.attn_factor", {0, -1, 1e300, kNan}},
                                   {"rope.scaling.yarn_beta_fast", {0, -1, 1e300, kNan}},
                                   {"rope.scaling.yarn_beta_slow", {0, -1, 1e300, kNan}},
                                   {"attention.layer_norm_rms_epsilon", {-1e-6, 2, 1e300, kNan}}}) {
    const std::string key = std::string("llama.") + hostile.key;
    for (const double value : hostile.values) {
      const Status status = error_of("llama", [&](TinyDecoderFile& file) {
        file.keys.set_string("llama.rope.scaling.type", "yarn");
        file.keys.set_u32("llama.rope.scaling.original_context_length", 128);
        file.keys.set(key, GgufValueType::kFloat64, value);
      });
      EXPECT_EQ(status.code(), StatusCode::kCorruptData) << key << " " << value;
      EXPECT_THAT(status.message(), HasSubstr(key)) << value;
    }
  }
  for (const float divisor : {0.0F, -1.0F, 1e-40F, HUGE_VALF, std::nanf("")}) {
    const Status status = error_of("llama", [&](TinyDecoderFile& file) {
      file.add("rope_freqs.weight", Shape{2});
      file.tensors["rope_freqs.weight"].values = {1, divisor};
    });
    EXPECT_THAT(status.message(), HasSubstr("rope_freqs.weight")) << divisor;
  }
}

TEST(DecoderConfig, NamesWhatIsMissingOrUnknown) {
  for (const char* key : {"embedding_length", "block_count", "feed_forward_length", "attention.head_count",
                          "context_length", "attention.layer_norm_rms_epsilon"}) {
    const Status status =
        error_of("llama", [&](TinyDecoderFile& file) { file.remove_key(std::string("llama.") + key); });
    EXPECT_EQ(status.code(), StatusCode::kNotFound);
    EXPECT_THAT(status.message(), HasSubstr(key));
  }
  EXPECT_THAT(error_of("llama", [](auto& file) { file.tensors.erase("token_embd.weight"); }).message(),
              HasSubstr("token_embd.weight"));
  EXPECT_THAT(error_of("llama",
                       [](auto& file) {
                         file.add("token_embd.weight", Shape{4, 4, 4});
                       })
                  .message(),
              HasSubstr("[4, 4, 4]"));
  EXPECT_THAT(error_of("mamba", [](auto&) {}).message(), AllOf(HasSubstr("\"mamba\""), HasSubstr("llama, qwen2")));
  EXPECT_THAT(
      error_of("llama", [](auto& file) { file.keys.set_string("llama.rope.scaling.type", "longrope"); }).message(),
      HasSubstr("\"longrope\""));
  EXPECT_THAT(error_of("llama", [](auto& file) { file.keys.set_string("llama.rope.scaling.type", "yarn"); }).message(),
              HasSubstr("original_context_length"));
}

TEST(DecoderConfig, SectionsAreTheHalfOfAHead) {
  const auto with_sections = [](std::vector<int32_t> sections) {
    TinyDecoderFile file("qwen2vl");
    file.keys.set_i32s("qwen2vl.rope.dimension_sections", sections);
    return read(file);
  };
  const auto config = with_sections({1, 0, 1, 0});
  ASSERT_TRUE(config) << config.status().message();
  EXPECT_EQ(config->rope.sections, (std::array<int64_t, 3>{1, 0, 1}));
  EXPECT_TRUE(config->rope.is_multidimensional());
  constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
  for (const std::vector<int32_t>& sections : std::vector<std::vector<int32_t>>{
           {}, {1, 1}, {1, 1, 1}, {1, 0, 0}, {-1, 2, 1}, {1, 1, 0, 1}, {kMax, kMax, kMax}, {0, 0, 0}}) {
    const auto refused = with_sections(sections);
    ASSERT_FALSE(refused) << sections.size();
    EXPECT_THAT(refused.status().message(), HasSubstr("qwen2vl.rope.dimension_sections"));
  }
}

}  // namespace
}  // namespace saccade
