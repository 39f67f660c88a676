// y = x W^T + bias: every linear layer of the decoder and the encoders. Products of the same x are asked for together,
// with what follows them, so that x is read, rounded and waited for once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "kernels/activation.h"
#include "kernels/weight_matrix.h"
#include "platform/thread_pool.h"
#include "tensor/tensor.h"

namespace saccade {

/// y = activation(x weight^T + bias), or, with a gate, silu(x gate^T) * (x weight^T).
struct LinearOutput {
  const WeightMatrix* weight = nullptr;  // [n, k]
  const WeightMatrix* gate = nullptr;    // [n, k] or null; with it, neither bias nor activation
  TensorView bias = {};                  // [n] of kF32, or empty
  std::optional<Activation> activation = {};
  float* y = nullptr;       // [num_rows, n], contiguous; must not overlap x
  bool accumulate = false;  // y += instead of y =
  // [num_units], units being equal parts of n: nobody reads the columns of a unit that is 0. Empty: all are read.
  std::span<const uint8_t> units = {};
};

/// x [num_rows, k], contiguous; all weights have the same k. Exact to f32 rounding where weights are not packed,
/// otherwise as packed_matmul.h says.
void linear(ThreadPool& pool, const float* x, int64_t num_rows, std::span<const LinearOutput> outputs);

/// A single product.
void linear(ThreadPool& pool, const float* x, int64_t num_rows, const LinearOutput& output);

}  // namespace saccade
