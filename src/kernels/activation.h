// Pointwise non-linearities, in place over `count` floats.
#pragma once

#include <cstdint>

namespace saccade {

enum class Activation : uint8_t {
  kGelu,       // exact, with erf
  kGeluTanh,   // the tanh approximation (SigLIP's gelu_pytorch_tanh)
  kQuickGelu,  // x * sigmoid(1.702 x) (CLIP)
  kSilu,       // x * sigmoid(x)
};

void activate(Activation activation, float* x, int64_t count);

/// gate = silu(gate) * up, elementwise (SwiGLU).
void silu_times(float* gate, const float* up, int64_t count);

}  // namespace saccade
