#include "kernels/rope.h"

#include "kernels/leaf.h"

namespace saccade {

void apply_rope(RopePairing pairing, const float* cosine, const float* sine, int64_t rotary_dim, float* head) {
  const int64_t num_pairs = rotary_dim / 2;
  if (pairing == RopePairing::kHalves) {
    active_leaf().rotate(head, head + num_pairs, cosine, sine, num_pairs);
    return;
  }
  active_leaf().rotate_pairs(head, cosine, sine, num_pairs);
}

}  // namespace saccade
