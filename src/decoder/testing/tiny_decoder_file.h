// A tiny Llama with random weights: two layers, four heads over two key-value heads.
#pragma once

#include <string>

#include "base/format.h"
#include "weights/testing/tiny_model_file.h"

namespace saccade::testing {

inline constexpr int64_t kTinyHeadDim = 4;
inline constexpr int64_t kTinyModelDim = 16;
inline constexpr int64_t kTinyFfnDim = 24;
inline constexpr int64_t kTinyVocabSize = 20;
inline constexpr int kTinyNumLayers = 2;

class TinyDecoderFile : public TinyModelFile {
 public:
  explicit TinyDecoderFile(const std::string& architecture = "llama", int num_layers = kTinyNumLayers) {
    const auto set = [&](const char* name, uint32_t value) { keys.set_u32(architecture + "." + name, value); };
    keys.set_string("general.architecture", architecture);
    set("embedding_length", kTinyModelDim);
    set("block_count", static_cast<uint32_t>(num_layers));
    set("feed_forward_length", kTinyFfnDim);
    set("attention.head_count", 4);
    set("attention.head_count_kv", 2);
    set("context_length", 4096);
    keys.set_f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5F);
    add("token_embd.weight", Shape{kTinyVocabSize, kTinyModelDim});
    add("output_norm.weight", Shape{kTinyModelDim});
    for (int layer_idx = 0; layer_idx < num_layers; ++layer_idx) add_layer(layer_idx);
  }

 private:
  void add_layer(int layer_idx) {
    const std::string prefix = format("blk.%d.", layer_idx);
    const int64_t q_dim = 4 * kTinyHeadDim;
    const int64_t kv_dim = 2 * kTinyHeadDim;
    for (const char* norm : {"attn_norm", "ffn_norm"}) add(prefix + norm + ".weight", Shape{kTinyModelDim});
    add(prefix + "attn_q.weight", Shape{q_dim, kTinyModelDim});
    add(prefix + "attn_k.weight", Shape{kv_dim, kTinyModelDim});
    add(prefix + "attn_v.weight", Shape{kv_dim, kTinyModelDim});
    add(prefix + "attn_output.weight", Shape{kTinyModelDim, q_dim});
    add(prefix + "ffn_gate.weight", Shape{kTinyFfnDim, kTinyModelDim});
    add(prefix + "ffn_up.weight", Shape{kTinyFfnDim, kTinyModelDim});
    add(prefix + "ffn_down.weight", Shape{kTinyModelDim, kTinyFfnDim});
  }
};

}  // namespace saccade::testing
