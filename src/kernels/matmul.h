// y = x * W^T (+ bias): the product of every linear layer, over every weight type the loader reads.
#pragma once

#include <cstdint>

#include "platform/thread_pool.h"
#include "tensor/tensor.h"

namespace saccade {

struct MatmulArgs {
  const float* x = nullptr;  // [m, k], rows `x_stride` floats apart
  int64_t x_stride = 0;
  TensorView weight;            // [n, k], any DType; k a multiple of its block size
  const float* bias = nullptr;  // [n], or null for none
  float* y = nullptr;           // [m, n], rows `y_stride` floats apart; must not overlap x
  int64_t y_stride = 0;
  int64_t m = 0;
  bool accumulate = false;  // y += instead of y =
};

/// Accumulates in f32 (dequantised weights, f32 activations): the only error is that of f32 summation.
void matmul(ThreadPool& pool, const MatmulArgs& args);

/// The common case: contiguous x [num_rows, k] and y [num_rows, n]; bias [n], or an empty view.
void linear(ThreadPool& pool, const float* x, int64_t num_rows, TensorView weight, TensorView bias, float* y,
            bool accumulate = false);
/// The same with whole matrices.
void linear(ThreadPool& pool, const Tensor& x, TensorView weight, TensorView bias, Tensor& y, bool accumulate = false);

}  // namespace saccade
