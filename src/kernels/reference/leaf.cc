// The plain C++ versions that every leaf is measured against, and that run where no leaf does.
#include "kernels/leaf.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/dequantize.h"
#include "kernels/reference/reference.h"

namespace saccade {
namespace {

constexpr int kTileRows = 4;
constexpr int kTileCols = 8;

void gemm_tile(int num_rows, const float* x, int64_t x_stride, const float* panel, int64_t k, float* y,
               int64_t y_stride) {
  for (int row = 0; row < num_rows; ++row) {
    float sums[kTileCols] = {};
    const float* x_row = x + row * x_stride;
    for (int64_t i = 0; i < k; ++i) {
      for (int col = 0; col < kTileCols; ++col) sums[col] += x_row[i] * panel[i * kTileCols + col];
    }
    for (int col = 0; col < kTileCols; ++col) y[row * y_stride + col] += sums[col];
  }
}

void pack_panel(const float* rows, int64_t row_stride, int num_rows, int64_t k, float* panel) {
  for (int64_t i = 0; i < k; ++i) {
    for (int col = 0; col < kTileCols; ++col) {
      panel[i * kTileCols + col] = col < num_rows ? rows[col * row_stride + i] : 0.0f;
    }
  }
}

/// Eight partial sums, so that the error grows like that of a vector unit's, not of one long chain.
float dot(const float* a, const float* b, int64_t count) {
  float sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int lane = 0; lane < 8; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  float total = 0;
  for (; i < count; ++i) total += a[i] * b[i];
  for (float sum : sums) total += sum;
  return total;
}

void dot_rows_f32(const std::byte* row, const float* x, int64_t x_stride, int num_rows, int64_t k, float* out) {
  for (int i = 0; i < num_rows; ++i) out[i] = dot(reinterpret_cast<const float*>(row), x + i * x_stride, k);
}

void add_scaled(float a, const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] += a * x[i];
}

void scale(float a, float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] *= a;
}

float max(const float* x, int64_t count) {
  float largest = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < count; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

float exp_sum(float* x, float shift, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    x[i] = std::exp(x[i] - shift);
    sum += static_cast<double>(x[i]);
  }
  return static_cast<float>(sum);
}

float sum_squares(const float* x, float shift, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double distance = static_cast<double>(x[i]) - static_cast<double>(shift);
    sum += distance * distance;
  }
  return static_cast<float>(sum);
}

float sum(const float* x, int64_t count) {
  double total = 0;
  for (int64_t i = 0; i < count; ++i) total += static_cast<double>(x[i]);
  return static_cast<float>(total);
}

void normalize(const float* x, float shift, float factor, const float* weight, const float* bias, float* y,
               int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float scaled = (x[i] - shift) * factor * weight[i];
    y[i] = bias == nullptr ? scaled : scaled + bias[i];
  }
}

float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

float gelu(float x) {
  // erfc, not 1 + erf: the left tail keeps its relative precision.
  constexpr float kSqrtHalf = 0.70710678118654752f;
  return 0.5f * x * std::erfc(-x * kSqrtHalf);
}

float gelu_tanh(float x) {
  // 0.5 (1 + tanh(u)) = sigmoid(2u)
  constexpr float kTwoSqrtTwoOverPi = 1.5957691216057308f;
  return x * sigmoid(kTwoSqrtTwoOverPi * (x + 0.044715f * x * x * x));
}

void activate(Activation activation, float* x, int64_t count) {
  const auto apply = [&](auto function) {
    for (int64_t i = 0; i < count; ++i) x[i] = function(x[i]);
  };
  switch (activation) {
    case Activation::kGelu:
      return apply(gelu);
    case Activation::kGeluTanh:
      return apply(gelu_tanh);
    case Activation::kQuickGelu:
      return apply([](float value) { return value * sigmoid(1.702f * value); });
    case Activation::kSilu:
      return apply([](float value) { return value * sigmoid(value); });
  }
}

void silu_times(float* gate, const float* up, int64_t count) {
  for (int64_t i = 0; i < count; ++i) gate[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

void rotate(float* a, float* b, const float* cosine, const float* sine, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float first = a[i];
    const float second = b[i];
    a[i] = first * cosine[i] - second * sine[i];
    b[i] = first * sine[i] + second * cosine[i];
  }
}

void rotate_pairs(float* pairs, const float* cosine, const float* sine, int64_t count) {
  for (int64_t i = 0; i < count; ++i) rotate(pairs + 2 * i, pairs + 2 * i + 1, cosine + i, sine + i, 1);
}

template <DType dtype>
void encode(const float* source, std::byte* target, int64_t count) {
  quantize_row(dtype, source, target, count);
}

template <DType dtype>
void dot_all(const std::byte* rows, int64_t row_stride, int64_t num_rows, const float* x, int64_t x_stride,
             int64_t num_x, int64_t k, float* out, int64_t out_stride) {
  std::vector<float> values(static_cast<size_t>(k));
  for (int64_t j = 0; j < num_rows; ++j, rows += row_stride) {
    reference::dequantize<dtype>(rows, values.data(), k);
    for (int64_t i = 0; i < num_x; ++i) out[i * out_stride + j] = dot(values.data(), x + i * x_stride, k);
  }
}

template <DType dtype>
void add_rows(const std::byte* rows, int64_t row_stride, int64_t num_rows, const float* weights, float* sum,
              int64_t count) {
  constexpr int64_t kBlock = 32;
  float values[kBlock];
  for (int64_t row = 0; row < num_rows; ++row, rows += row_stride) {
    for (int64_t first = 0; first < count; first += kBlock) {
      const int64_t size = std::min(kBlock, count - first);
      reference::dequantize<dtype>(rows + row_bytes(dtype, first), values, size);
      add_scaled(weights[row], values, sum + first, size);
    }
  }
}

Leaf make_leaf() {
  Leaf leaf;
  leaf.tile_rows = kTileRows;
  leaf.tile_cols = kTileCols;
  leaf.gemm_tile = gemm_tile;
  leaf.pack_panel = pack_panel;
  const auto set = [&](DType dtype, Leaf::Dequantize dequantize) {
    leaf.dequantize[static_cast<size_t>(dtype)] = dequantize;
  };
  set(DType::kF32, reference::dequantize<DType::kF32>);
  set(DType::kF16, reference::dequantize<DType::kF16>);
  set(DType::kBF16, reference::dequantize<DType::kBF16>);
  set(DType::kQ8_0, reference::dequantize<DType::kQ8_0>);
  set(DType::kQ4_0, reference::dequantize<DType::kQ4_0>);
  set(DType::kQ4_1, reference::dequantize<DType::kQ4_1>);
  set(DType::kQ5_0, reference::dequantize<DType::kQ5_0>);
  set(DType::kQ5_1, reference::dequantize<DType::kQ5_1>);
  set(DType::kQ4_K, reference::dequantize<DType::kQ4_K>);
  set(DType::kQ5_K, reference::dequantize<DType::kQ5_K>);
  set(DType::kQ6_K, reference::dequantize<DType::kQ6_K>);
  leaf.dot_rows[static_cast<size_t>(DType::kF32)] = dot_rows_f32;
  const auto set_kept = [&](DType dtype, Leaf::Encode encode_row, Leaf::DotAll dot, Leaf::AddRows add) {
    leaf.encode[static_cast<size_t>(dtype)] = encode_row;
    leaf.dot_all[static_cast<size_t>(dtype)] = dot;
    leaf.add_rows[static_cast<size_t>(dtype)] = add;
  };
  set_kept(DType::kF32, encode<DType::kF32>, dot_all<DType::kF32>, add_rows<DType::kF32>);
  set_kept(DType::kF16, encode<DType::kF16>, dot_all<DType::kF16>, add_rows<DType::kF16>);
  set_kept(DType::kQ8_0, encode<DType::kQ8_0>, dot_all<DType::kQ8_0>, add_rows<DType::kQ8_0>);
  leaf.add_scaled = add_scaled;
  leaf.scale = scale;
  leaf.max = max;
  leaf.exp_sum = exp_sum;
  leaf.sum_squares = sum_squares;
  leaf.sum = sum;
  leaf.normalize = normalize;
  leaf.activate = activate;
  leaf.silu_times = silu_times;
  leaf.rotate = rotate;
  leaf.rotate_pairs = rotate_pairs;
  return leaf;
}

}  // namespace

const Leaf& reference_leaf() {
  static const Leaf kLeaf = make_leaf();
  return kLeaf;
}

}  // namespace saccade
