#include "kernels/linear.h"

#include <algorithm>
#include <cassert>
#include <vector>

#include "kernels/leaf.h"
#include "kernels/matmul.h"
#include "kernels/packed_matmul.h"

namespace saccade {
namespace {

bool is_packed(const LinearOutput& output) {
  if (output.weight->packed() == nullptr) return false;
  return output.gate == nullptr || (output.gate->packed() != nullptr && output.gate->dtype() == output.weight->dtype());
}

const float* floats_or_null(const TensorView& bias) {
  return bias ? bias.floats().data() : nullptr;
}

PackedOutput packed_output(const LinearOutput& output) {
  PackedOutput packed;
  packed.weight = output.weight->packed();
  packed.gate = output.gate == nullptr ? nullptr : output.gate->packed();
  packed.bias = floats_or_null(output.bias);
  packed.activation = output.activation;
  packed.y = output.y;
  packed.y_stride = output.weight->n();
  packed.accumulate = output.accumulate;
  packed.units = output.units;
  return packed;
}

/// y = x weight^T + bias, by whichever way the weight has.
void multiply(ThreadPool& pool, const float* x, int64_t num_rows, const WeightMatrix& weight, const float* bias,
              float* y, bool accumulate) {
  if (const PackedWeights* packed = weight.packed()) {
    const PackedOutput output = {packed, nullptr, bias, {}, y, weight.n(), accumulate};
    return packed_matmul(pool, x, weight.k(), num_rows, {&output, 1});
  }
  MatmulArgs args;
  args.x = x;
  args.x_stride = weight.k();
  args.weight = weight.view();
  args.bias = bias;
  args.y = y;
  args.y_stride = weight.n();
  args.m = num_rows;
  args.accumulate = accumulate;
  matmul(pool, args);
}

/// Each step on its own.
void linear_in_steps(ThreadPool& pool, const float* x, int64_t num_rows, const LinearOutput& output) {
  const int64_t size = num_rows * output.weight->n();
  const bool is_plain = output.gate == nullptr && !output.activation;
  if (is_plain) {
    return multiply(pool, x, num_rows, *output.weight, floats_or_null(output.bias), output.y, output.accumulate);
  }
  // With something behind the product, an accumulating one needs a place of its own.
  Tensor own(Shape{output.accumulate ? size : 0});
  float* y = output.accumulate ? own.floats().data() : output.y;
  multiply(pool, x, num_rows, *output.weight, floats_or_null(output.bias), y, false);
  Tensor gate(Shape{output.gate == nullptr ? 0 : size});
  if (output.gate != nullptr) multiply(pool, x, num_rows, *output.gate, nullptr, gate.floats().data(), false);
  constexpr int64_t kGrain = 8192;
  pool.parallel_for(size, kGrain, [&](int64_t begin, int64_t end, int) {
    if (output.gate != nullptr) {
      float* gates = gate.floats().data() + begin;
      silu_times(gates, y + begin, end - begin);
      std::copy_n(gates, end - begin, y + begin);
    } else {
      activate(*output.activation, y + begin, end - begin);
    }
    if (output.accumulate) {
      for (int64_t i = begin; i < end; ++i) output.y[i] += y[i];
    }
  });
}

}  // namespace

void linear(ThreadPool& pool, const float* x, int64_t num_rows, std::span<const LinearOutput> outputs) {
  constexpr size_t kMaxOutputs = 4;
  assert(outputs.size() <= kMaxOutputs);
  PackedOutput packed[kMaxOutputs];
  size_t num_packed = 0;
  for (const LinearOutput& output : outputs) {
    if (is_packed(output)) {
      packed[num_packed++] = packed_output(output);
    } else {
      linear_in_steps(pool, x, num_rows, output);
    }
  }
  if (num_packed > 0) packed_matmul(pool, x, outputs[0].weight->k(), num_rows, {packed, num_packed});
}

void linear(ThreadPool& pool, const float* x, int64_t num_rows, const LinearOutput& output) {
  linear(pool, x, num_rows, {&output, 1});
}

}  // namespace saccade
