// What a language model's file says of its shape. Read once, checked, then plain values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "decoder/kv_cache.h"
#include "kernels/rope.h"
#include "saccade/status.h"
#include "weights/model_files.h"

namespace saccade {

enum class RopeScaling : uint8_t { kNone, kLinear, kYarn };

/// Rotary embedding as the file declares it.
struct RopeConfig {
  RopePairing pairing = RopePairing::kInterleaved;
  int64_t rotary_dim = 0;  // of each head; the rest is not rotated
  float base = 10000;
  RopeScaling scaling = RopeScaling::kNone;
  float factor = 1;                      // context is stretched by this much
  int64_t original_context_length = 0;   // YaRN: tokens the model was first trained on
  float attention_factor = 1;            // YaRN: multiplies the magnitude 1 + 0.1 ln(factor) of sine and cosine
  float beta_fast = 32;                  // YaRN: rotations above which a dimension is not interpolated
  float beta_slow = 1;                   // YaRN: rotations below which it is fully interpolated
  std::vector<float> frequency_factors;  // [rotary_dim / 2] divisors (Llama 3), or empty
  // M-RoPE (Qwen2-VL): how many pairs take their angle from t, y and x; all zero for one-dimensional positions.
  std::array<int64_t, 3> sections = {0, 0, 0};

  bool is_multidimensional() const { return sections[0] + sections[1] + sections[2] > 0; }
};

struct DecoderConfig {
  std::string architecture;  // general.architecture
  int64_t model_dim = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t ffn_dim = 0;
  int64_t vocab_size = 0;
  int64_t context_length = 0;
  float rms_epsilon = 1e-5f;
  RopeConfig rope;

  int64_t kv_dim() const { return num_kv_heads * head_dim; }
  /// Keys and values kept as `dtype`; as kF16 where kQ8_0 does not go with the heads' size.
  KvShape kv_shape(DType dtype) const {
    const bool fits = head_dim % traits_of(dtype).block_size == 0;
    return {num_kv_heads, head_dim, fits ? dtype : DType::kF16};
  }
};

/// The config of the language model that `tensors` belong to, its family picked by general.architecture. Errors:
/// kUnsupported names the architecture and the known ones; kNotFound and kCorruptData name the key.
Expected<DecoderConfig> read_decoder_config(const TensorSource& tensors);

/// The part that all families share; keys are prefixed with the architecture ("llama.block_count").
Expected<DecoderConfig> read_common_config(const Metadata& metadata, const TensorSource& tensors);

// One per family, in the file of its name.
Expected<DecoderConfig> read_llama_config(const Metadata& metadata, const TensorSource& tensors);
Expected<DecoderConfig> read_qwen2_config(const Metadata& metadata, const TensorSource& tensors);
Expected<DecoderConfig> read_qwen2_vl_config(const Metadata& metadata, const TensorSource& tensors);

}  // namespace saccade
