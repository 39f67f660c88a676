#include "weights/convert/language_model.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>

#include "base/format.h"
#include "weights/convert/rope_settings.h"

namespace saccade {
namespace {

constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxVocabulary = 1 << 24;

// What a decoder needs to be known by, with Transformers' defaults for settings that config.json leaves out (a
// LLaVA-1.5 checkpoint leaves out nearly all of them).
struct Decoder {
  std::string_view model_type;
  std::string_view architecture;  // llama.cpp's name
  // llama.cpp rotates neighbouring elements for this architecture where Transformers rotates halves, so the rows of q
  // and k change places.
  bool is_rope_interleaved;
  int64_t model_dim;
  int64_t ffn_dim;
  int64_t num_layers;
  int64_t num_heads;
  int64_t num_kv_heads;  // 0: as many as heads
  int64_t max_positions;
  int64_t vocab_size;
};

constexpr std::array kDecoders = {
    Decoder{"llama", "llama", true, 4096, 11008, 32, 32, 0, 2048, 32000},
    Decoder{"mistral", "llama", true, 4096, 14336, 32, 32, 8, 131072, 32000},
    Decoder{"qwen2", "qwen2", false, 4096, 22016, 32, 32, 32, 32768, 151936},
    Decoder{"qwen2_vl", "qwen2vl", false, 8192, 29568, 80, 64, 8, 32768, 152064},
    Decoder{"qwen2_vl_text", "qwen2vl", false, 8192, 29568, 80, 64, 8, 32768, 152064},
    Decoder{"qwen2_5_vl", "qwen2vl", false, 8192, 29568, 80, 64, 8, 32768, 152064},
    Decoder{"qwen2_5_vl_text", "qwen2vl", false, 8192, 29568, 80, 64, 8, 32768, 152064},
};

struct Dimensions {
  int64_t vocab_size = 0;
  int64_t model_dim = 0;
  int64_t ffn_dim = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
};

Expected<Dimensions> read_dimensions(const Checkpoint& checkpoint, const Config& settings, const Decoder& decoder) {
  Dimensions dims;
  SACCADE_ASSIGN_OR_RETURN(dims.model_dim, settings.integer_or("hidden_size", decoder.model_dim, 1, kMaxWidth));
  SACCADE_ASSIGN_OR_RETURN(dims.ffn_dim, settings.integer_or("intermediate_size", decoder.ffn_dim, 1, kMaxWidth));
  SACCADE_ASSIGN_OR_RETURN(dims.num_layers,
                           settings.integer_or("num_hidden_layers", decoder.num_layers, 1, kMaxLayers));
  SACCADE_ASSIGN_OR_RETURN(dims.num_heads, settings.integer_or("num_attention_heads", decoder.num_heads, 1, 4096));
  const int64_t kv_fallback = decoder.num_kv_heads == 0 ? dims.num_heads : decoder.num_kv_heads;
  SACCADE_ASSIGN_OR_RETURN(dims.num_kv_heads, settings.integer_or("num_key_value_heads", kv_fallback, 1, 4096));
  SACCADE_ASSIGN_OR_RETURN(dims.head_dim,
                           settings.integer_or("head_dim", dims.model_dim / dims.num_heads, 1, kMaxWidth));
  if (dims.num_heads % dims.num_kv_heads != 0 || dims.head_dim % 2 != 0) {
    return corrupt_data(format("%s: %d heads, %d key-value heads and a head size of %d do not fit together",
                               settings.path().c_str(), static_cast<int>(dims.num_heads),
                               static_cast<int>(dims.num_kv_heads), static_cast<int>(dims.head_dim)));
  }
  SACCADE_ASSIGN_OR_RETURN(const auto embedding, checkpoint.dims_of("lm.embed_tokens.weight", 2));
  if (embedding[0] > std::numeric_limits<int32_t>::max()) return corrupt_data("the embedding has too many rows");
  dims.vocab_size = embedding[0];
  return dims;
}

Status check_settings(PlanBuilder& builder, const Config& settings) {
  SACCADE_ASSIGN_OR_RETURN(const std::string activation, settings.string_or("hidden_act", "silu"));
  if (activation != "silu") {
    return unsupported(settings.path() + ": the decoder's activation is " + quote(activation) + "; only silu is known");
  }
  // Qwen2 writes a window and switches it off with use_sliding_window.
  SACCADE_ASSIGN_OR_RETURN(const bool is_windowed,
                           settings.boolean_or("use_sliding_window", settings.has("sliding_window")));
  if (is_windowed && settings.has("sliding_window")) {
    builder.warn("sliding-window attention is not carried over: past the window answers may differ");
  }
  return {};
}

Status write_keys(PlanBuilder& builder, const Config& settings, const Decoder& decoder, const Dimensions& dims) {
  GgufKeys& keys = builder.plan().language_keys;
  const std::string prefix = std::string(decoder.architecture) + ".";
  const auto set = [&](const char* name, int64_t value) { keys.set_u32(prefix + name, static_cast<uint32_t>(value)); };
  SACCADE_ASSIGN_OR_RETURN(const int64_t max_positions,
                           settings.integer_or("max_position_embeddings", decoder.max_positions, 1, 1 << 30));
  SACCADE_ASSIGN_OR_RETURN(const double epsilon, settings.number_or("rms_norm_eps", 1e-6));
  set("vocab_size", dims.vocab_size);
  set("context_length", max_positions);
  set("embedding_length", dims.model_dim);
  set("block_count", dims.num_layers);
  set("feed_forward_length", dims.ffn_dim);
  set("attention.head_count", dims.num_heads);
  set("attention.head_count_kv", dims.num_kv_heads);
  keys.set_f32(prefix + "attention.layer_norm_rms_epsilon", static_cast<float>(epsilon));
  set("rope.dimension_count", dims.head_dim);
  if (dims.head_dim * dims.num_heads != dims.model_dim) {
    set("attention.key_length", dims.head_dim);
    set("attention.value_length", dims.head_dim);
  }
  return write_rope_settings(builder, settings, prefix, dims.head_dim);
}

// Rows of a head in the order (0, half, 1, half + 1, ...): where rotation pairs halves, now it pairs neighbours.
std::function<int64_t(int64_t)> interleaved_rows(int64_t head_dim) {
  return [head_dim](int64_t row) {
    const int64_t in_head = row % head_dim;
    return row - in_head + in_head / 2 + (in_head % 2) * (head_dim / 2);
  };
}

Status plan_projection(PlanBuilder& builder, const std::string& target, const std::string& source, int64_t num_out,
                       int64_t num_in, const std::function<int64_t(int64_t)>& row_of) {
  const std::array<int64_t, 2> weight_dims = {num_out, num_in};
  SACCADE_RETURN_IF_ERROR(builder.gather(ModelPart::kLanguage, TensorRole::kMatrix, target + ".weight",
                                         source + ".weight", weight_dims, Shape{num_out, num_in}, row_of));
  if (!builder.checkpoint().has(source + ".bias")) return {};
  const std::array<int64_t, 1> bias_dims = {num_out};
  return builder.gather(ModelPart::kLanguage, TensorRole::kExact, target + ".bias", source + ".bias", bias_dims,
                        Shape{num_out}, row_of);
}

Status plan_layer(PlanBuilder& builder, const Decoder& decoder, const Dimensions& dims, int64_t layer) {
  const std::string source = format("lm.layers.%lld.", static_cast<long long>(layer));
  const std::string target = format("blk.%lld.", static_cast<long long>(layer));
  const int64_t q_dim = dims.num_heads * dims.head_dim;
  const int64_t kv_dim = dims.num_kv_heads * dims.head_dim;
  std::function<int64_t(int64_t)> row_of;
  if (decoder.is_rope_interleaved) row_of = interleaved_rows(dims.head_dim);
  const ModelPart part = ModelPart::kLanguage;
  SACCADE_RETURN_IF_ERROR(builder.copy_norm(part, target + "attn_norm", source + "input_layernorm", dims.model_dim));
  SACCADE_RETURN_IF_ERROR(
      plan_projection(builder, target + "attn_q", source + "self_attn.q_proj", q_dim, dims.model_dim, row_of));
  SACCADE_RETURN_IF_ERROR(
      plan_projection(builder, target + "attn_k", source + "self_attn.k_proj", kv_dim, dims.model_dim, row_of));
  SACCADE_RETURN_IF_ERROR(
      builder.copy_linear(part, target + "attn_v", source + "self_attn.v_proj", kv_dim, dims.model_dim));
  SACCADE_RETURN_IF_ERROR(
      builder.copy_linear(part, target + "attn_output", source + "self_attn.o_proj", dims.model_dim, q_dim));
  SACCADE_RETURN_IF_ERROR(
      builder.copy_norm(part, target + "ffn_norm", source + "post_attention_layernorm", dims.model_dim));
  SACCADE_RETURN_IF_ERROR(
      builder.copy_linear(part, target + "ffn_gate", source + "mlp.gate_proj", dims.ffn_dim, dims.model_dim));
  SACCADE_RETURN_IF_ERROR(
      builder.copy_linear(part, target + "ffn_up", source + "mlp.up_proj", dims.ffn_dim, dims.model_dim));
  SACCADE_RETURN_IF_ERROR(
      builder.copy_linear(part, target + "ffn_down", source + "mlp.down_proj", dims.model_dim, dims.ffn_dim));
  builder.checkpoint().ignore(source + "self_attn.rotary_emb.");
  return {};
}

bool is_same_data(const SafeTensor& a, const SafeTensor& b) {
  if (a.data == nullptr || b.data == nullptr) return false;  // assumed
  if (a.dtype != b.dtype || a.dims != b.dims || !a.dtype) return false;
  return std::memcmp(a.data, b.data, static_cast<size_t>(row_bytes(*a.dtype, a.num_elements))) == 0;
}

// A tied output matrix is left out: readers take the embedding. A stored lm_head that differs is written whatever
// config.json says about tying, because what differs was not tied when it was saved.
Status plan_output(PlanBuilder& builder, const Config& settings, const Dimensions& dims) {
  Checkpoint& checkpoint = builder.checkpoint();
  const SafeTensor* head = checkpoint.find("lm_head.weight");
  SACCADE_ASSIGN_OR_RETURN(const bool is_tied, settings.boolean_or("tie_word_embeddings", head == nullptr));
  if (head == nullptr) {
    if (!is_tied) builder.warn("no lm_head.weight though tie_word_embeddings is false: the embedding is used");
    return {};
  }
  if (is_same_data(*head, *checkpoint.find("lm.embed_tokens.weight"))) {
    checkpoint.ignore("lm_head.");
    return {};
  }
  if (is_tied)
    builder.warn("lm_head.weight differs from the embedding though tie_word_embeddings is true: both are kept");
  return builder.copy(ModelPart::kLanguage, TensorRole::kEmbedding, "output.weight", "lm_head.weight",
                      Shape{dims.vocab_size, dims.model_dim});
}

Expected<const Decoder*> find_decoder(const Config& settings, std::string_view model_type) {
  const auto* decoder = std::ranges::find(kDecoders, model_type, &Decoder::model_type);
  if (decoder != kDecoders.end()) return decoder;
  return unsupported(settings.path() + ": the decoder is " + quote(model_type) +
                     "; llama, mistral, qwen2 and qwen2_vl can be converted");
}

}  // namespace

Expected<int64_t> plan_language_model(PlanBuilder& builder, const Config& settings, std::string_view model_type) {
  SACCADE_ASSIGN_OR_RETURN(const Decoder* decoder, find_decoder(settings, model_type));
  builder.plan().architecture = decoder->architecture;
  SACCADE_RETURN_IF_ERROR(check_settings(builder, settings));
  SACCADE_ASSIGN_OR_RETURN(const Dimensions dims, read_dimensions(builder.checkpoint(), settings, *decoder));
  SACCADE_RETURN_IF_ERROR(write_keys(builder, settings, *decoder, dims));
  SACCADE_RETURN_IF_ERROR(builder.copy(ModelPart::kLanguage, TensorRole::kEmbedding, "token_embd.weight",
                                       "lm.embed_tokens.weight", Shape{dims.vocab_size, dims.model_dim}));
  for (int64_t layer = 0; layer < dims.num_layers; ++layer) {
    SACCADE_RETURN_IF_ERROR(plan_layer(builder, *decoder, dims, layer));
  }
  SACCADE_RETURN_IF_ERROR(builder.copy_norm(ModelPart::kLanguage, "output_norm", "lm.norm", dims.model_dim));
  SACCADE_RETURN_IF_ERROR(plan_output(builder, settings, dims));
  return dims.model_dim;
}

Status assume_language_model(Checkpoint& checkpoint, const Config& settings, std::string_view model_type) {
  SACCADE_ASSIGN_OR_RETURN(const Decoder* decoder, find_decoder(settings, model_type));
  SACCADE_ASSIGN_OR_RETURN(const int64_t dim, settings.integer_or("hidden_size", decoder->model_dim, 1, kMaxWidth));
  SACCADE_ASSIGN_OR_RETURN(const int64_t vocab_size,
                           settings.integer_or("vocab_size", decoder->vocab_size, 1, kMaxVocabulary));
  SACCADE_ASSIGN_OR_RETURN(const bool is_tied, settings.boolean_or("tie_word_embeddings", false));
  SACCADE_ASSIGN_OR_RETURN(const bool has_biases,
                           settings.boolean_or("attention_bias", decoder->architecture != "llama"));
  checkpoint.assume("lm.embed_tokens.weight", {vocab_size, dim});
  if (!is_tied) checkpoint.assume("lm_head.weight", {vocab_size, dim});
  if (!has_biases) return {};
  checkpoint.assume_where([](std::string_view name) {
    return name.ends_with(".q_proj.bias") || name.ends_with(".k_proj.bias") || name.ends_with(".v_proj.bias");
  });
  return {};
}

Config text_settings(const Checkpoint& checkpoint) {
  Config settings(checkpoint.config_path());
  settings.add(find_member(checkpoint.config(), "text_config")).add(&checkpoint.config());
  return settings;
}

Expected<std::string> text_model_type(const Checkpoint& checkpoint, std::string_view fallback) {
  Config settings(checkpoint.config_path());
  settings.add(find_member(checkpoint.config(), "text_config"));
  return settings.string_or("model_type", std::string(fallback));
}

}  // namespace saccade
