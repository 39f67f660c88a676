#include "kernels/rope.h"

#include "kernels/leaf.h"

namespace saccade {

void apply_rope(RopePairing pairing, const float* cosine, const float* sine, int64_t rotary_dim, float* head) {
  const int64_t num_pairs = rotary_dim / 2;
  if (pairing == RopePairing::kHalves) {
    active_leaf().rotate(head, head + num_pairs, cosine, sine, num_pairs);
    return;
  }
  for (int64_t i = 0; i < num_pairs; ++i) {
    const float first = head[2 * i];
    const float second = head[2 * i + 1];
    head[2 * i] = first * cosine[i] - second * sine[i];
    head[2 * i + 1] = first * sine[i] + second * cosine[i];
  }
}

}  // namespace saccade
