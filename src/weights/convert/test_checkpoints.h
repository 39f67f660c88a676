// Tiny handmade checkpoints for the converter's tests. Every tensor counts up from its first dimension.
#pragma once

#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "weights/test_files.h"

namespace saccade::testing_files {

inline constexpr int64_t kModelDim = 32;  // 2 heads of 16, 1 key-value head, ffn 40, 2 layers, 16 tokens

class TestCheckpoint {
 public:
  /// Values count up from `first`, so that a place can be told from its value.
  void add(const std::string& name, std::vector<int64_t> dims) { add(name, dims, static_cast<float>(dims.front())); }
  void add(const std::string& name, std::vector<int64_t> dims, float first) {
    FloatTensor tensor;
    tensor.dims = std::move(dims);
    const int64_t count = std::accumulate(tensor.dims.begin(), tensor.dims.end(), int64_t{1}, std::multiplies<>());
    tensor.values.resize(static_cast<size_t>(count));
    std::iota(tensor.values.begin(), tensor.values.end(), first);
    tensors_[name] = std::move(tensor);
  }
  void add_linear(const std::string& name, int64_t num_out, int64_t num_in) {
    add(name + ".weight", {num_out, num_in});
    add(name + ".bias", {num_out});
  }
  void add_norm(const std::string& name, int64_t size) {
    add(name + ".weight", {size});
    add(name + ".bias", {size});
  }
  void write(const TempDir& dir) const { dir.write("model.safetensors", safetensors_bytes(tensors_)); }

 private:
  std::map<std::string, FloatTensor> tensors_;
};

inline void add_decoder(TestCheckpoint& checkpoint, const std::string& prefix) {
  checkpoint.add(prefix + "embed_tokens.weight", {16, kModelDim});
  checkpoint.add(prefix + "norm.weight", {kModelDim});
  for (int layer = 0; layer < 2; ++layer) {
    const std::string block = prefix + "layers." + std::to_string(layer) + ".";
    checkpoint.add(block + "input_layernorm.weight", {kModelDim});
    checkpoint.add(block + "post_attention_layernorm.weight", {kModelDim});
    checkpoint.add(block + "self_attn.q_proj.weight", {32, kModelDim});
    checkpoint.add(block + "self_attn.k_proj.weight", {16, kModelDim});
    checkpoint.add(block + "self_attn.v_proj.weight", {16, kModelDim});
    checkpoint.add(block + "self_attn.o_proj.weight", {kModelDim, 32});
    checkpoint.add(block + "mlp.gate_proj.weight", {40, kModelDim});
    checkpoint.add(block + "mlp.up_proj.weight", {40, kModelDim});
    checkpoint.add(block + "mlp.down_proj.weight", {kModelDim, 40});
  }
}

// Width 32, ffn 48, picture 16, patch 4.
inline void add_vit_blocks(TestCheckpoint& checkpoint, const std::string& prefix, int num_blocks) {
  for (int i = 0; i < num_blocks; ++i) {
    const std::string block = prefix + "encoder.layers." + std::to_string(i) + ".";
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      checkpoint.add_linear(block + "self_attn." + name, 32, 32);
    }
    checkpoint.add_norm(block + "layer_norm1", 32);
    checkpoint.add_norm(block + "layer_norm2", 32);
    checkpoint.add_linear(block + "mlp.fc1", 48, 32);
    checkpoint.add_linear(block + "mlp.fc2", 32, 48);
  }
  checkpoint.add_norm(prefix + "post_layernorm", 32);
  checkpoint.add(prefix + "embeddings.patch_embedding.weight", {32, 3, 4, 4});
}

inline void add_clip_tower(TestCheckpoint& checkpoint, const std::string& prefix) {
  add_vit_blocks(checkpoint, prefix, 3);
  checkpoint.add(prefix + "embeddings.class_embedding", {32});
  checkpoint.add(prefix + "embeddings.position_embedding.weight", {17, 32});
  checkpoint.add_norm(prefix + "pre_layrnorm", 32);
}

inline void add_siglip_tower(TestCheckpoint& checkpoint, const std::string& prefix) {
  add_vit_blocks(checkpoint, prefix, 2);
  checkpoint.add(prefix + "embeddings.patch_embedding.bias", {32});
  checkpoint.add(prefix + "embeddings.position_embedding.weight", {16, 32});
}

inline void add_qwen2_tower(TestCheckpoint& checkpoint, const std::string& prefix) {
  checkpoint.add(prefix + "patch_embed.proj.weight", {32, 3, 2, 4, 4});
  checkpoint.add_norm(prefix + "blocks.0.norm1", 32);
  checkpoint.add_norm(prefix + "blocks.0.norm2", 32);
  checkpoint.add_linear(prefix + "blocks.0.attn.qkv", 96, 32);
  checkpoint.add_linear(prefix + "blocks.0.attn.proj", 32, 32);
  checkpoint.add_linear(prefix + "blocks.0.mlp.fc1", 64, 32);
  checkpoint.add_linear(prefix + "blocks.0.mlp.fc2", 32, 64);
  checkpoint.add_norm(prefix + "merger.ln_q", 32);
  checkpoint.add_linear(prefix + "merger.mlp.0", 128, 128);
  checkpoint.add_linear(prefix + "merger.mlp.2", kModelDim, 128);
}

inline void add_scheduler(TestCheckpoint& checkpoint) {
  checkpoint.add_linear("scheduler.mlp_head", 1, kModelDim);
  checkpoint.add_norm("scheduler.scheduler_up_proj.net.0", 256);
  checkpoint.add_linear("scheduler.scheduler_up_proj.net.1", kModelDim, 256);
  checkpoint.add_linear("scheduler.scheduler_up_proj.net.3", kModelDim, kModelDim);
}

/// `first` is put before the other settings, and so wins over them.
inline std::string decoder_settings(const std::string& first = "") {
  Json json = Json::parse(R"({"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "vocab_size": 16,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-5})");
  if (!first.empty()) json.update(Json::parse("{" + first.substr(0, first.rfind(',')) + "}"));
  const std::string text = json.dump();
  return text.substr(1, text.size() - 2);
}

inline std::string text_config(const std::string& architecture, const std::string& model_type,
                               const std::string& first = "") {
  return R"({"architectures": [")" + architecture + R"("], "model_type": ")" + model_type + "\", " +
         decoder_settings(first) + "}";
}

inline std::string clip_config() {
  return R"({"model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 2, "image_size": 16, "patch_size": 4})";
}

inline std::string llava_config() {
  return R"({"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "image_token_index": 15,
    "text_config": {"model_type": "llama", )" +
         decoder_settings() + R"(}, "vision_config": )" + clip_config() + "}";
}

inline std::string ada_config() {
  return R"({"architectures": ["AdaLlavaLlamaForCausalLM"], "model_type": "ada_llava_llama", "num_prefix_layers": 1,
    "scheduler_type": "L", "token_selecting": "none", "mm_projector_type": "mlp2x_gelu", "image_aspect_ratio": "pad",
    "mm_vision_select_layer": -2, )" +
         decoder_settings() + "}";
}

inline std::string smolvlm_config() {
  return R"({"architectures": ["SmolVLMForConditionalGeneration"], "model_type": "smolvlm", "scale_factor": 2,
    "text_config": {"model_type": "llama", )" +
         decoder_settings() + R"(}, "vision_config": {"hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16, "patch_size": 4}})";
}

inline std::string qwen2_vl_config() {
  return R"({"architectures": ["Qwen2VLForConditionalGeneration"], "model_type": "qwen2_vl", )" + decoder_settings() +
         R"(, "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
    "vision_config": {"embed_dim": 32, "depth": 1, "num_heads": 2, "mlp_ratio": 2, "patch_size": 4}})";
}

/// Ten pieces, one merge and a control token; SmolLM's pre-tokenizer.
inline void write_byte_level_tokenizer(const TempDir& dir) {
  dir.write("tokenizer.json", R"({"added_tokens": [{"id": 11, "content": "<|im_end|>", "special": true}],
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
                      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5, "g": 6, "h": 7, "i": 8, "ab": 9},
              "merges": [["a", "b"]]}})");
  dir.write("tokenizer_config.json", R"({"eos_token": "<|im_end|>", "chat_template": "{{ messages }}"})");
}

}  // namespace saccade::testing_files
