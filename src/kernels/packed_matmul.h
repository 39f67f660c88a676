// y = x * W^T over packed weights: several products of the same x at once, what follows each fused into it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "kernels/activation.h"
#include "kernels/packed_weights.h"
#include "platform/thread_pool.h"

namespace saccade {

/// One product and what becomes of it: y = activation(x weight^T + bias), or silu(x gate^T) * (x weight^T).
struct PackedOutput {
  const PackedWeights* weight = nullptr;  // [n, k]
  const PackedWeights* gate = nullptr;    // [n, k], or null; then there is no bias and no activation
  const float* bias = nullptr;            // [n], or null
  std::optional<Activation> activation = {};
  float* y = nullptr;  // [m, n], rows `y_stride` floats apart; must not overlap x
  int64_t y_stride = 0;
  bool accumulate = false;  // y += instead of y =
  // [num_units], units being equal parts of n: nobody reads the columns of a unit that is 0, so that they need not be
  // computed. Empty: all are read.
  std::span<const uint8_t> units = {};
};

/// x [m, k] with rows `x_stride` floats apart; all weights have the same k. Activations are rounded: to 8 bits with a
/// scale for each 32 where weights are quantised, to bf16 where they are 16-bit floats. Sums are exact within a block
/// and f32 across them.
void packed_matmul(ThreadPool& pool, const float* x, int64_t x_stride, int64_t m,
                   std::span<const PackedOutput> outputs);

}  // namespace saccade
