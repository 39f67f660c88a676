// Qwen2 and the decoder of Qwen2-VL and Qwen2.5-VL: biases on q, k and v, RoPE over halves, in three dimensions
// for the VL models (M-RoPE, arXiv 2409.12191, section 2.1).
#include "base/format.h"
#include "decoder/decoder_config.h"

namespace saccade {

Expected<DecoderConfig> read_qwen2_config(const Metadata& metadata, const TensorSource& tensors) {
  SACCADE_ASSIGN_OR_RETURN(DecoderConfig config, read_common_config(metadata, tensors));
  config.rope.pairing = RopePairing::kHalves;
  return config;
}

Expected<DecoderConfig> read_qwen2_vl_config(const Metadata& metadata, const TensorSource& tensors) {
  SACCADE_ASSIGN_OR_RETURN(DecoderConfig config, read_qwen2_config(metadata, tensors));
  const std::string key = config.architecture + ".rope.dimension_sections";
  SACCADE_ASSIGN_OR_RETURN(const std::vector<int64_t> sections, metadata.integers(key));
  if (sections.size() < 3) return corrupt_data(format("key %s has %zu entries, needs 3", key.c_str(), sections.size()));
  int64_t num_pairs = 0;
  for (size_t i = 0; i < sections.size(); ++i) {
    if (sections[i] < 0 || sections[i] > config.rope.rotary_dim || (i >= 3 && sections[i] != 0)) {
      return corrupt_data(format("key %s: entry %zu is %lld", key.c_str(), i, static_cast<long long>(sections[i])));
    }
    num_pairs += sections[i];
    if (i < 3) config.rope.sections[i] = sections[i];
  }
  if (num_pairs != config.rope.rotary_dim / 2) {
    return corrupt_data(format("key %s adds up to %lld pairs, but heads have %lld", key.c_str(),
                               static_cast<long long>(num_pairs), static_cast<long long>(config.rope.rotary_dim / 2)));
  }
  return config;
}

}  // namespace saccade
