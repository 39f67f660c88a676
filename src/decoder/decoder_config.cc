#include "decoder/decoder_config.h"

#include <limits>

#include "base/format.h"

namespace saccade {
namespace {

struct Family {
  std::string_view architecture;
  Expected<DecoderConfig> (*read_config)(const Metadata&, const TensorSource&);
};

// One line per family.
constexpr Family kFamilies[] = {
    {"llama", read_llama_config},
    {"qwen2", read_qwen2_config},
    {"qwen2vl", read_qwen2_vl_config},
};

// Caps far above any real model, so that products of two of them stay within int64.
constexpr int64_t kMaxDim = 1 << 20;
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxContext = 1 << 30;
// Around any scale a model has, so that no frequency overflows or turns into not-a-number.
constexpr double kMinScale = 1e-6;
constexpr double kMaxScale = 1e6;

Expected<float> float_within(const std::string& key, double value, double min, double max) {
  if (value >= min && value <= max) return static_cast<float>(value);
  return corrupt_data(format("key %s is %g; it must be from %g to %g", key.c_str(), value, min, max));
}

Expected<float> scale_or(const Metadata& metadata, const std::string& key, double fallback) {
  SACCADE_ASSIGN_OR_RETURN(const double scale, metadata.number_or(key, fallback));
  return float_within(key, scale, kMinScale, kMaxScale);
}

Status read_scaling(const Metadata& metadata, const std::string& arch, RopeConfig& rope) {
  const std::string prefix = arch + ".rope.scaling.";
  SACCADE_ASSIGN_OR_RETURN(const std::string type, metadata.string_or(prefix + "type", "none"));
  SACCADE_ASSIGN_OR_RETURN(const float old_factor, scale_or(metadata, arch + ".rope.scale_linear", 1));
  SACCADE_ASSIGN_OR_RETURN(rope.factor, scale_or(metadata, prefix + "factor", old_factor));
  if (type == "linear" || (type == "none" && rope.factor != 1 && !metadata.has(prefix + "type"))) {
    rope.scaling = RopeScaling::kLinear;
  } else if (type == "yarn") {
    rope.scaling = RopeScaling::kYarn;
    SACCADE_ASSIGN_OR_RETURN(rope.original_context_length,
                             metadata.integer(prefix + "original_context_length", 1, kMaxContext));
    SACCADE_ASSIGN_OR_RETURN(rope.attention_factor, scale_or(metadata, prefix + "attn_factor", 1));
    SACCADE_ASSIGN_OR_RETURN(rope.beta_fast, scale_or(metadata, prefix + "yarn_beta_fast", 32));
    SACCADE_ASSIGN_OR_RETURN(rope.beta_slow, scale_or(metadata, prefix + "yarn_beta_slow", 1));
  } else if (type != "none") {
    return unsupported(
        format("key %stype is %s; known are none, linear and yarn", prefix.c_str(), quote(type).c_str()));
  }
  return {};
}

Status read_rope(const Metadata& metadata, const TensorSource& tensors, DecoderConfig& config) {
  const std::string& arch = config.architecture;
  RopeConfig& rope = config.rope;
  SACCADE_ASSIGN_OR_RETURN(rope.rotary_dim,
                           metadata.integer_or(arch + ".rope.dimension_count", config.head_dim, 2, config.head_dim));
  if (rope.rotary_dim % 2 != 0) {
    return corrupt_data(format("key %s.rope.dimension_count is %lld; it must be even", arch.c_str(),
                               static_cast<long long>(rope.rotary_dim)));
  }
  const std::string base_key = arch + ".rope.freq_base";
  SACCADE_ASSIGN_OR_RETURN(const double base, metadata.number_or(base_key, 10000));
  SACCADE_ASSIGN_OR_RETURN(rope.base, float_within(base_key, base, 2, 1e15));
  SACCADE_RETURN_IF_ERROR(read_scaling(metadata, arch, rope));
  SACCADE_ASSIGN_OR_RETURN(const Tensor factors,
                           tensors.take_as_f32_if_present("rope_freqs.weight", {rope.rotary_dim / 2}));
  if (!factors.is_empty()) rope.frequency_factors.assign(factors.floats().begin(), factors.floats().end());
  for (const float factor : rope.frequency_factors) {
    if (factor >= kMinScale && factor <= kMaxScale) continue;
    return corrupt_data(format("tensor rope_freqs.weight holds the divisor %g", static_cast<double>(factor)));
  }
  return {};
}

Status read_heads(const Metadata& metadata, DecoderConfig& config) {
  const std::string prefix = config.architecture + ".attention.";
  SACCADE_ASSIGN_OR_RETURN(config.num_heads, metadata.integer(prefix + "head_count", 1, kMaxDim));
  SACCADE_ASSIGN_OR_RETURN(config.num_kv_heads,
                           metadata.integer_or(prefix + "head_count_kv", config.num_heads, 1, config.num_heads));
  if (config.num_heads % config.num_kv_heads != 0) {
    return corrupt_data(format("%shead_count (%lld) is not a multiple of head_count_kv (%lld)", prefix.c_str(),
                               static_cast<long long>(config.num_heads), static_cast<long long>(config.num_kv_heads)));
  }
  SACCADE_ASSIGN_OR_RETURN(config.head_dim,
                           metadata.integer_or(prefix + "key_length", config.model_dim / config.num_heads, 1, kMaxDim));
  SACCADE_ASSIGN_OR_RETURN(const int64_t value_dim,
                           metadata.integer_or(prefix + "value_length", config.head_dim, 1, kMaxDim));
  if (value_dim != config.head_dim) return unsupported(prefix + "value_length differs from key_length");
  if (config.head_dim < 2) return corrupt_data(config.architecture + ": a head has fewer than two dimensions");
  return {};
}

}  // namespace

Expected<DecoderConfig> read_common_config(const Metadata& metadata, const TensorSource& tensors) {
  DecoderConfig config;
  SACCADE_ASSIGN_OR_RETURN(config.architecture, metadata.string("general.architecture"));
  const std::string& arch = config.architecture;
  SACCADE_ASSIGN_OR_RETURN(config.model_dim, metadata.integer(arch + ".embedding_length", 1, kMaxDim));
  SACCADE_ASSIGN_OR_RETURN(config.num_layers, metadata.integer(arch + ".block_count", 1, kMaxLayers));
  SACCADE_ASSIGN_OR_RETURN(config.ffn_dim, metadata.integer(arch + ".feed_forward_length", 1, kMaxDim));
  SACCADE_RETURN_IF_ERROR(read_heads(metadata, config));
  SACCADE_ASSIGN_OR_RETURN(config.context_length, metadata.integer(arch + ".context_length", 1, kMaxContext));
  const std::string epsilon_key = arch + ".attention.layer_norm_rms_epsilon";
  SACCADE_ASSIGN_OR_RETURN(const double epsilon, metadata.number(epsilon_key));
  SACCADE_ASSIGN_OR_RETURN(config.rms_epsilon, float_within(epsilon_key, epsilon, 0, 1));
  SACCADE_ASSIGN_OR_RETURN(const int64_t num_experts, metadata.integer_or(arch + ".expert_count", 0, 0, kMaxDim));
  if (num_experts > 0) return unsupported(arch + ".expert_count: mixtures of experts are not supported");
  const TensorView embedding = tensors.peek("token_embd.weight");
  if (!embedding) return not_found("tensor token_embd.weight is missing");
  if (embedding.shape.rank() != 2 || embedding.shape[0] > std::numeric_limits<int32_t>::max()) {
    return corrupt_data("tensor token_embd.weight has shape " + embedding.shape.to_string());
  }
  config.vocab_size = embedding.shape[0];
  SACCADE_RETURN_IF_ERROR(read_rope(metadata, tensors, config));
  return config;
}

Expected<DecoderConfig> read_decoder_config(const TensorSource& tensors) {
  const Metadata& metadata = tensors.file().metadata();
  SACCADE_ASSIGN_OR_RETURN(const std::string architecture, metadata.string("general.architecture"));
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.architecture == architecture) return family.read_config(metadata, tensors);
    known += (known.empty() ? "" : ", ") + std::string(family.architecture);
  }
  return unsupported(tensors.file().path() + ": architecture " + quote(architecture) + " is not known; known are " +
                     known);
}

}  // namespace saccade
