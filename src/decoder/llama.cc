// Llama and its kin (Vicuna, Mistral, SmolLM2): interleaved RoPE over rows that the converter permuted for it.
#include "decoder/decoder_config.h"

namespace saccade {

Expected<DecoderConfig> read_llama_config(const Metadata& metadata, const TensorSource& tensors) {
  SACCADE_ASSIGN_OR_RETURN(DecoderConfig config, read_common_config(metadata, tensors));
  config.rope.pairing = RopePairing::kInterleaved;
  return config;
}

}  // namespace saccade
