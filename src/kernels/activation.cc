#include "kernels/activation.h"

#include "kernels/leaf.h"

namespace saccade {

void activate(Activation activation, float* x, int64_t count) {
  active_leaf().activate(activation, x, count);
}

void silu_times(float* gate, const float* up, int64_t count) {
  active_leaf().silu_times(gate, up, count);
}

}  // namespace saccade
