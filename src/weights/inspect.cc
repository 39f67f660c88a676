#include "weights/inspect.h"

#include <algorithm>
#include <array>
#include <functional>

namespace saccade {
namespace {

constexpr int64_t kMax = 1 << 30;

bool is_vision_tensor(const NamedTensor& tensor) {
  const std::string_view name = tensor.name;
  return name.starts_with("v.") || name.starts_with("mm.") || name == "model.image_newline";
}

void add_tensor(ModelFacts& facts, const NamedTensor& tensor, bool is_vision) {
  const auto num_elements = static_cast<uint64_t>(tensor.view.shape.num_elements());
  (is_vision ? facts.num_vision_parameters : facts.num_language_parameters) += num_elements;
  facts.has_scheduler = facts.has_scheduler || tensor.name.starts_with("ada.scheduler.");
  auto found = std::ranges::find(facts.types, tensor.view.dtype, &TypeShare::dtype);
  if (found == facts.types.end()) found = facts.types.insert(found, {tensor.view.dtype, 0, 0});
  ++found->num_tensors;
  found->num_bytes += static_cast<uint64_t>(tensor.view.num_bytes());
}

// The type that most bytes of the decoder's own matrices have. Embeddings, kept at more bits, would decide it in
// small models.
std::string quantization_label(const GgufFile& file) {
  std::array<uint64_t, kNumDTypes> bytes = {};
  for (const NamedTensor& tensor : file.tensors()) {
    if (tensor.name.starts_with("blk.") && tensor.view.shape.rank() > 1) {
      bytes[static_cast<size_t>(tensor.view.dtype)] += static_cast<uint64_t>(tensor.view.num_bytes());
    }
  }
  const auto most = std::ranges::max_element(bytes);
  return std::string(kDTypeTraits[static_cast<size_t>(most - bytes.begin())].name);
}

Status read_dimensions(const Metadata& metadata, ModelFacts& facts) {
  const std::string prefix = facts.architecture + ".";
  SACCADE_ASSIGN_OR_RETURN(facts.num_layers, metadata.integer(prefix + "block_count", 1, 4096));
  SACCADE_ASSIGN_OR_RETURN(facts.model_dim, metadata.integer(prefix + "embedding_length", 1, kMax));
  SACCADE_ASSIGN_OR_RETURN(facts.ffn_dim, metadata.integer(prefix + "feed_forward_length", 1, kMax));
  SACCADE_ASSIGN_OR_RETURN(facts.context_length, metadata.integer(prefix + "context_length", 1, kMax));
  SACCADE_ASSIGN_OR_RETURN(facts.num_heads, metadata.integer(prefix + "attention.head_count", 1, 1 << 16));
  SACCADE_ASSIGN_OR_RETURN(facts.num_kv_heads,
                           metadata.integer_or(prefix + "attention.head_count_kv", facts.num_heads, 1, 1 << 16));
  SACCADE_ASSIGN_OR_RETURN(
      facts.head_dim, metadata.integer_or(prefix + "attention.key_length", facts.model_dim / facts.num_heads, 1, kMax));
  const auto* tokens = metadata.find_strings("tokenizer.ggml.tokens");
  facts.vocab_size = tokens == nullptr ? 0 : static_cast<int64_t>(tokens->size());
  return {};
}

}  // namespace

Expected<ModelFacts> inspect_model(const ModelFiles& files) {
  ModelFacts facts;
  const GgufFile& language = files.language_file();
  SACCADE_ASSIGN_OR_RETURN(facts.architecture, language.metadata().string("general.architecture"));
  SACCADE_ASSIGN_OR_RETURN(facts.name, language.metadata().string_or("general.name", ""));
  if (Status status = read_dimensions(language.metadata(), facts); !status.is_ok()) {
    return status.with_context(language.path());
  }
  facts.quantization = quantization_label(language);
  facts.file_bytes = language.file_bytes();
  for (const NamedTensor& tensor : language.tensors()) add_tensor(facts, tensor, is_vision_tensor(tensor));
  facts.has_vision = files.has_vision();
  facts.is_single_file = !files.has_vision() || files.is_single_file();
  if (facts.has_vision) {
    SACCADE_ASSIGN_OR_RETURN(facts.projector_type, files.vision_metadata().string_or("clip.projector_type", "mlp"));
  }
  if (!facts.is_single_file) {
    facts.file_bytes += files.vision_file().file_bytes();
    for (const NamedTensor& tensor : files.vision_file().tensors()) add_tensor(facts, tensor, /*is_vision=*/true);
  }
  std::ranges::sort(facts.types, std::ranges::greater(), &TypeShare::num_bytes);
  return facts;
}

uint64_t kv_cache_bytes(const ModelFacts& facts, int64_t num_tokens, int element_bytes) {
  return 2 * static_cast<uint64_t>(facts.num_layers) * static_cast<uint64_t>(facts.num_kv_heads) *
         static_cast<uint64_t>(facts.head_dim) * static_cast<uint64_t>(num_tokens) *
         static_cast<uint64_t>(element_bytes);
}

uint64_t estimated_memory_bytes(const ModelFacts& facts, int64_t context_tokens, int64_t batch_tokens,
                                int element_bytes) {
  const int64_t attention_dim = facts.head_dim * (2 * facts.num_heads + 2 * facts.num_kv_heads);
  const int64_t floats_per_token = 3 * facts.model_dim + attention_dim + 3 * facts.ffn_dim;
  const auto activations = static_cast<uint64_t>(batch_tokens * floats_per_token + facts.vocab_size) * sizeof(float);
  return facts.file_bytes + kv_cache_bytes(facts, context_tokens, element_bytes) + activations;
}

}  // namespace saccade
