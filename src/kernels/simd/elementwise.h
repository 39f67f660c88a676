// The vector entries of a Leaf (leaf.h says what each computes), over a register type V such as avx2::Vec.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/activation.h"
#include "kernels/leaf.h"

namespace saccade::simd {

/// e^a within 2 ulp: e^a = 2^n e^r with |r| <= ln(2) / 2, and e^r by Cephes' expf polynomial. 0 below -104.
template <typename V>
inline typename V::Reg exp(typename V::Reg a) {
  using Reg = typename V::Reg;
  a = V::min(V::set(89.0f), V::max(V::set(-104.0f), a));
  const Reg n = V::round(V::mul(a, V::set(1.44269504088896341f)));
  Reg r = V::neg_mul_add(n, V::set(0.693359375f), a);  // ln 2 in two parts; the first has few bits: exact
  r = V::neg_mul_add(n, V::set(-2.12194440e-4f), r);
  Reg p = V::set(1.9875691500e-4f);
  p = V::mul_add(p, r, V::set(1.3981999507e-3f));
  p = V::mul_add(p, r, V::set(8.3334519073e-3f));
  p = V::mul_add(p, r, V::set(4.1665795894e-2f));
  p = V::mul_add(p, r, V::set(1.6666665459e-1f));
  p = V::mul_add(p, r, V::set(5.0000001201e-1f));
  p = V::mul_add(V::mul(p, r), r, V::add(r, V::set(1.0f)));
  return V::times_power_of_two(p, n);
}

/// 1 / (1 + e^-a)
template <typename V>
inline typename V::Reg sigmoid(typename V::Reg a) {
  const typename V::Reg one = V::set(1.0f);
  return V::div(one, V::add(one, exp<V>(V::sub(V::zero(), a))));
}

/// x / 2 * erfc(-x / sqrt(2)) = max(x, 0) - |x| / 2 * erfc(z), z = |x| / sqrt(2). With t = 1 / (1 + z / 2),
/// erfc(z) = t e^(p(t) - z^2): p interpolates ln(erfc(z) / t) + z^2 at the ten Chebyshev nodes of t in [0.16, 1] to
/// 6e-8. Smaller t only come where the product is no longer a normal float.
template <typename V>
inline typename V::Reg gelu(typename V::Reg x) {
  using Reg = typename V::Reg;
  constexpr float kCoefficients[] = {-0.7204177114f, 1.248708987f,  -0.8168191284f, 0.01766405861f, -0.04968026769f,
                                     0.05150814697f, 0.3832025478f, 0.9990203459f,  -1.26546641f};
  const Reg magnitude = V::max(x, V::sub(V::zero(), x));
  const Reg t = V::div(V::set(1.0f), V::mul_add(magnitude, V::set(0.35355339059f), V::set(1.0f)));
  Reg p = V::set(0.1522794838f);
  for (float coefficient : kCoefficients) p = V::mul_add(p, t, V::set(coefficient));
  const Reg half = V::mul(magnitude, V::set(0.5f));
  const Reg tail = V::mul(V::mul(half, t), exp<V>(V::neg_mul_add(half, magnitude, p)));
  return V::sub(V::max(V::zero(), x), tail);
}

/// y[i] = function(y[i], x[i])
template <typename V, typename Function>
inline void transform(float* y, const float* x, int64_t count, const Function& function) {
  int64_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) V::store(y + i, function(V::load(y + i), V::load(x + i)));
  if (i == count) return;
  const int rest = static_cast<int>(count - i);
  V::store_first(y + i, function(V::load_first(y + i, rest), V::load_first(x + i, rest)), rest);
}

/// Four running sums of function(x[i]), so that neither latency nor rounding piles up in one. Lanes past the end do
/// not count, whatever function(0) is.
template <typename V, typename Function>
inline float sum_of(const float* x, int64_t count, const Function& function) {
  using Reg = typename V::Reg;
  Reg sums[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
  int64_t i = 0;
  for (; i + 4 * V::kLanes <= count; i += 4 * V::kLanes) {
    for (int j = 0; j < 4; ++j) sums[j] = V::add(sums[j], function(V::load(x + i + j * V::kLanes)));
  }
  for (; i + V::kLanes <= count; i += V::kLanes) sums[0] = V::add(sums[0], function(V::load(x + i)));
  if (i < count) {
    const int rest = static_cast<int>(count - i);
    float lanes[V::kLanes] = {};
    V::store_first(lanes, function(V::load_first(x + i, rest)), rest);
    sums[1] = V::add(sums[1], V::load(lanes));
  }
  return V::reduce_add(V::add(V::add(sums[0], sums[1]), V::add(sums[2], sums[3])));
}

template <typename V>
struct Elementwise {
  using Reg = typename V::Reg;

  static void add_scaled(float a, const float* x, float* y, int64_t count) {
    const Reg factor = V::set(a);
    transform<V>(y, x, count, [=](Reg y_reg, Reg x_reg) { return V::mul_add(factor, x_reg, y_reg); });
  }

  static void scale(float a, float* x, int64_t count) {
    const Reg factor = V::set(a);
    transform<V>(x, x, count, [=](Reg reg, Reg) { return V::mul(reg, factor); });
  }

  static void encode_f16(const float* source, std::byte* target, int64_t count) {
    int64_t i = 0;
    for (; i + V::kLanes <= count; i += V::kLanes) V::store_f16(target + 2 * i, V::load(source + i));
    if (i == count) return;
    std::byte tail[2 * V::kLanes];
    V::store_f16(tail, V::load_first(source + i, static_cast<int>(count - i)));
    for (int64_t j = 0; j < 2 * (count - i); ++j) target[2 * i + j] = tail[j];
  }

  static float max(const float* x, int64_t count) {
    Reg largest = V::set(-__builtin_inff());
    int64_t i = 0;
    for (; i + V::kLanes <= count; i += V::kLanes) largest = V::max(V::load(x + i), largest);
    float result = V::reduce_max(largest);
    for (; i < count; ++i) result = x[i] > result ? x[i] : result;
    return result;
  }

  static float exp_sum(float* x, float shift, int64_t count) {
    const Reg shift_reg = V::set(shift);
    transform<V>(x, x, count, [=](Reg reg, Reg) { return exp<V>(V::sub(reg, shift_reg)); });
    return sum(x, count);
  }

  static float sum(const float* x, int64_t count) {
    return sum_of<V>(x, count, [](Reg reg) { return reg; });
  }

  static float sum_squares(const float* x, float shift, int64_t count) {
    const Reg shift_reg = V::set(shift);
    return sum_of<V>(x, count, [=](Reg reg) {
      const Reg distance = V::sub(reg, shift_reg);
      return V::mul(distance, distance);
    });
  }

  static void normalize(const float* x, float shift, float factor, const float* weight, const float* bias, float* y,
                        int64_t count) {
    const Reg shift_reg = V::set(shift);
    const Reg factor_reg = V::set(factor);
    int64_t i = 0;
    for (; i + V::kLanes <= count; i += V::kLanes) {
      const Reg scaled = V::mul(V::mul(V::sub(V::load(x + i), shift_reg), factor_reg), V::load(weight + i));
      V::store(y + i, bias == nullptr ? scaled : V::add(scaled, V::load(bias + i)));
    }
    for (; i < count; ++i) {
      const float scaled = (x[i] - shift) * factor * weight[i];
      y[i] = bias == nullptr ? scaled : scaled + bias[i];
    }
  }

  static void activate(Activation activation, float* x, int64_t count) {
    with_activation(activation,
                    [=](const auto& function) { transform<V>(x, x, count, [&](Reg a, Reg) { return function(a); }); });
  }

  static void silu_times(float* gate, const float* up, int64_t count) {
    transform<V>(gate, up, count, [](Reg a, Reg b) { return V::mul(silu(a), b); });
  }

  static void finish_tile(const TileOutput& output) {
    if (output.gate != nullptr) {
      finish_rows(output, [](Reg value, Reg gate) { return V::mul(silu(gate), value); });
    } else if (output.activation != nullptr) {
      with_activation(*output.activation, [&](const auto& function) {
        finish_rows(output, [&](Reg value, Reg) { return function(value); });
      });
    } else {
      finish_rows(output, [](Reg value, Reg) { return value; });
    }
  }

  static void rotate(float* a, float* b, const float* cosine, const float* sine, int64_t count) {
    int64_t i = 0;
    for (; i + V::kLanes <= count; i += V::kLanes) {
      const Reg first = V::load(a + i);
      const Reg second = V::load(b + i);
      const Reg cos_reg = V::load(cosine + i);
      const Reg sin_reg = V::load(sine + i);
      V::store(a + i, V::sub(V::mul(first, cos_reg), V::mul(second, sin_reg)));
      V::store(b + i, V::add(V::mul(first, sin_reg), V::mul(second, cos_reg)));
    }
    for (; i < count; ++i) {
      const float first = a[i];
      const float second = b[i];
      a[i] = first * cosine[i] - second * sine[i];
      b[i] = first * sine[i] + second * cosine[i];
    }
  }

  static void rotate_pairs(float* pairs, const float* cosine, const float* sine, int64_t count) {
    // (x cos, y cos) plus (-y sin, x sin)
    int64_t i = 0;
    for (; i + V::kLanes / 2 <= count; i += V::kLanes / 2) {
      const Reg both = V::load(pairs + 2 * i);
      const Reg cos_reg = V::twice_each(cosine + i);
      const Reg sin_reg = V::twice_each(sine + i);
      V::store(pairs + 2 * i, V::mul_add_sub(both, cos_reg, V::mul(V::swap_pairs(both), sin_reg)));
    }
    for (; i < count; ++i) {
      const float first = pairs[2 * i];
      const float second = pairs[2 * i + 1];
      pairs[2 * i] = first * cosine[i] - second * sine[i];
      pairs[2 * i + 1] = first * sine[i] + second * cosine[i];
    }
  }

 private:
  static Reg silu(Reg a) { return V::mul(a, sigmoid<V>(a)); }

  /// Calls `use` with the activation as a function of registers.
  template <typename Use>
  static void with_activation(Activation activation, const Use& use) {
    switch (activation) {
      case Activation::kGelu:
        return use([](Reg a) { return gelu<V>(a); });
      case Activation::kGeluTanh:
        // 0.5 (1 + tanh(u)) = sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3)
        return use([](Reg a) {
          const Reg cubic = V::mul(V::mul(a, a), a);
          const Reg u = V::mul_add(V::set(0.044715f), cubic, a);
          return V::mul(a, sigmoid<V>(V::mul(V::set(1.5957691216057308f), u)));
        });
      case Activation::kQuickGelu:
        return use([](Reg a) { return V::mul(a, sigmoid<V>(V::mul(V::set(1.702f), a))); });
      case Activation::kSilu:
        return use([](Reg a) { return silu(a); });
    }
  }

  /// y (+)= function(tile + bias, gate)
  template <typename Function>
  static void finish_rows(const TileOutput& output, const Function& function) {
    const float* gate = output.gate != nullptr ? output.gate : output.tile;
    for (int64_t row = 0; row < output.num_rows; ++row) {
      const float* values = output.tile + row * output.tile_stride;
      const float* gates = gate + row * output.tile_stride;
      float* y = output.y + row * output.y_stride;
      for (int64_t i = 0; i < output.num_cols; i += V::kLanes) {
        // A tile is whole registers wide; what lies beside y and the bias is not ours.
        const int64_t left = output.num_cols - i;
        const bool is_whole = left >= V::kLanes;
        const auto load = [=](const float* x) {
          return is_whole ? V::load(x + i) : V::load_first(x + i, static_cast<int>(left));
        };
        Reg value = V::load(values + i);
        if (output.bias != nullptr) value = V::add(value, load(output.bias));
        value = function(value, V::load(gates + i));
        if (output.accumulate) value = V::add(value, load(y));
        is_whole ? V::store(y + i, value) : V::store_first(y + i, value, static_cast<int>(left));
      }
    }
  }
};

}  // namespace saccade::simd
