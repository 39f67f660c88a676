// y = x * W^T (+ bias) in f32 over weights as they lie in the file, of every type the loader reads. What linear.h uses
// where there is nothing faster.
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

}  // namespace saccade
