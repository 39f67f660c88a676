// Rotary position embedding, in one, two or three position dimensions.
#pragma once

#include <cstdint>

namespace saccade {

/// Which elements of a head form a rotated pair.
enum class RopePairing : uint8_t {
  kInterleaved,  // (0, 1), (2, 3), ...: llama-type GGUF files, whose q and k rows are permuted for it
  kHalves,       // (0, d/2), (1, d/2 + 1), ...: NeoX, Qwen2, and the vision towers
};

/// Rotates one vector of `head_dim` floats in place. `cosine` and `sine` hold one entry per pair: [rotary_dim / 2].
/// Elements past rotary_dim stay as they are.
void apply_rope(RopePairing pairing, const float* cosine, const float* sine, int64_t rotary_dim, float* head);

}  // namespace saccade
