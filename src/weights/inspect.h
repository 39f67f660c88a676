// Facts about a model's files, for `saccade inspect`: no weights are read, only their table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "saccade/status.h"
#include "tensor/dtype.h"
#include "weights/model_files.h"

namespace saccade {

struct TypeShare {
  DType dtype = DType::kF32;
  int64_t num_tensors = 0;
  uint64_t num_bytes = 0;
};

struct ModelFacts {
  std::string name;            // general.name; may be empty
  std::string architecture;    // "llama", "qwen2vl"
  std::string projector_type;  // "mlp"; empty without a vision part
  std::string quantization;    // of most language-model bytes: "q4_0"
  bool has_vision = false;
  bool is_single_file = true;
  bool has_scheduler = false;  // AdaLLaVA
  uint64_t num_language_parameters = 0;
  uint64_t num_vision_parameters = 0;
  uint64_t file_bytes = 0;       // of both files
  std::vector<TypeShare> types;  // most bytes first
  int64_t vocab_size = 0;
  int64_t context_length = 0;  // the longest the model was trained for
  int64_t num_layers = 0;
  int64_t model_dim = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t ffn_dim = 0;
};

/// Errors: kNotFound or kCorruptData name a key that a language model must have.
Expected<ModelFacts> inspect_model(const ModelFiles& files);

/// Keys and values of every layer for `num_tokens` positions, `element_bytes` each (4 for f32, 2 for f16).
uint64_t kv_cache_bytes(const ModelFacts& facts, int64_t num_tokens, int element_bytes);

/// The weights, the cache, and a prefill of `batch_tokens` positions in f32 (hidden states, attention, feed-forward,
/// one row of logits): an estimate, for the encoder's own working memory depends on the picture.
uint64_t estimated_memory_bytes(const ModelFacts& facts, int64_t context_tokens, int64_t batch_tokens,
                                int element_bytes);

}  // namespace saccade
