// The norms, activations and rotations on every ISA against doubles. Tolerances are multiples of the f32 unit
// roundoff u = 2^-24: a few roundings an element, and for sums of `count` terms sqrt(count) / 4 more at most, since the
// sums run in many lanes.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "kernels/activation.h"
#include "kernels/kernel_test_data.h"
#include "kernels/norm.h"
#include "kernels/rope.h"

namespace saccade {
namespace {

using test::Random;
using test::ScopedIsa;

ThreadPool pool(2);

constexpr double kUnit = 0x1p-24;
const std::vector<int64_t> kCounts = {1, 2, 7, 8, 15, 16, 17, 31, 64, 100, 1027};  // around every lane count

double unit_error_of_sum(int64_t count) {
  return kUnit * (8 + std::sqrt(static_cast<double>(count)) / 4);
}

/// Runs `body` on every ISA with every count.
void for_each_case(const std::function<void(Random&, int64_t)>& body) {
  for (Isa isa : test::runnable_isas()) {
    ScopedIsa scope(isa);
    Random random(11);
    for (int64_t count : kCounts) {
      SCOPED_TRACE(test::name_of(isa) + " count " + std::to_string(count));
      body(random, count);
    }
  }
}

TEST(Norm, RmsMatchesDoublesAlsoInPlace) {
  for_each_case([](Random& random, int64_t dim) {
    constexpr int kNumRows = 3;
    std::vector<float> x = random.normals(kNumRows * dim, 3);
    const std::vector<float> weight = random.normals(dim);
    std::vector<float> y(x.size());
    rms_norm(pool, x.data(), weight.data(), 1e-5f, kNumRows, dim, y.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t first = i / static_cast<size_t>(dim) * static_cast<size_t>(dim);
      double squares = 0;
      for (size_t j = first; j < first + static_cast<size_t>(dim); ++j) squares += std::pow(double{x[j]}, 2);
      const double expected =
          double{x[i]} / std::sqrt(squares / static_cast<double>(dim) + double{1e-5f}) * double{weight[i - first]};
      ASSERT_NEAR(double{y[i]}, expected, unit_error_of_sum(dim) * std::fabs(expected));
    }
    rms_norm(pool, x.data(), weight.data(), 1e-5f, kNumRows, dim, x.data());
    EXPECT_EQ(x, y);
  });
}

TEST(Norm, LayerMatchesDoublesWithAndWithoutBias) {
  for_each_case([](Random& random, int64_t dim) {
    std::vector<float> x = random.normals(dim, 2);
    for (float& value : x) value += 5;
    const std::vector<float> weight = random.normals(dim);
    const std::vector<float> bias = random.normals(dim);
    double mean = 0, variance = 0;
    for (float value : x) mean += double{value} / static_cast<double>(dim);
    for (float value : x) variance += std::pow(double{value} - mean, 2) / static_cast<double>(dim);
    for (const float* bias_or_null : {static_cast<const float*>(nullptr), bias.data()}) {
      std::vector<float> y(x.size());
      layer_norm(pool, x.data(), weight.data(), bias_or_null, 1e-3f, 1, dim, y.data());
      const double factor = 1 / std::sqrt(variance + double{1e-3f});
      for (size_t i = 0; i < x.size(); ++i) {
        const double offset = bias_or_null == nullptr ? 0 : double{bias[i]};
        const double expected = (double{x[i]} - mean) * factor * double{weight[i]} + offset;
        // An error of the mean is relative to the mean, and is scaled like x.
        const double scale = (std::fabs(double{x[i]}) + std::fabs(mean)) * factor * std::fabs(double{weight[i]});
        ASSERT_NEAR(double{y[i]}, expected, unit_error_of_sum(dim) * (scale + std::fabs(offset)));
      }
    }
  });
}

double exact_activation(Activation activation, double x) {
  switch (activation) {
    case Activation::kGelu:
      return x / 2 * std::erfc(-x / std::sqrt(2.0));
    case Activation::kGeluTanh:
      return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
  }
  return 0;
}

/// The size of the argument of exp (of erfc, the exponent of its tail): rounding it by a few u is a relative error of
/// the result of that many u times its size.
double exponent_at(Activation activation, double x) {
  switch (activation) {
    case Activation::kGelu:
      return x * x;
    case Activation::kGeluTanh:
      return 1.6 * (std::fabs(x) + 0.045 * std::fabs(x * x * x));
    case Activation::kQuickGelu:
    case Activation::kSilu:
      return 1.702 * std::fabs(x);
  }
  return 0;
}

TEST(Activation, EveryOneMatchesDoubles) {
  for (Isa isa : test::runnable_isas()) {
    ScopedIsa scope(isa);
    for (int which = 0; which < 4; ++which) {
      const auto activation = static_cast<Activation>(which);
      std::vector<float> x;
      for (int i = -2000; i <= 2001; ++i) x.push_back(static_cast<float>(i) * 0.01f);
      std::vector<float> y = x;
      activate(activation, y.data(), static_cast<int64_t>(y.size()));
      for (size_t i = 0; i < x.size(); ++i) {
        const double expected = exact_activation(activation, double{x[i]});
        const double tolerance = kUnit * (8 + 3 * exponent_at(activation, double{x[i]})) * std::fabs(expected);
        ASSERT_NEAR(double{y[i]}, expected, tolerance + 1e-30) << test::name_of(isa) << " " << which << " " << x[i];
      }
    }
  }
}

TEST(Activation, KeepsItsLimits) {
  for (Isa isa : test::runnable_isas()) {
    ScopedIsa scope(isa);
    for (int which = 0; which < 4; ++which) {
      float x[] = {0, 1e4f, -1e4f, std::numeric_limits<float>::quiet_NaN()};
      activate(static_cast<Activation>(which), x, 4);
      EXPECT_EQ(x[0], 0);
      EXPECT_EQ(x[1], 1e4f);
      EXPECT_EQ(x[2], 0);
      EXPECT_TRUE(std::isnan(x[3]));
    }
  }
}

TEST(Activation, SiluTimesIsSiluThenProduct) {
  for_each_case([](Random& random, int64_t count) {
    std::vector<float> gate = random.normals(count, 3);
    const std::vector<float> up = random.normals(count);
    std::vector<float> expected = gate;
    activate(Activation::kSilu, expected.data(), count);
    silu_times(gate.data(), up.data(), count);
    for (size_t i = 0; i < gate.size(); ++i) ASSERT_FLOAT_EQ(gate[i], expected[i] * up[i]);
  });
}

TEST(Rope, RotatesThePairsItNames) {
  for (RopePairing pairing : {RopePairing::kInterleaved, RopePairing::kHalves}) {
    for_each_case([pairing](Random& random, int64_t num_pairs) {
      const int64_t head_dim = 2 * num_pairs + 3;  // three stay
      const std::vector<float> before = random.normals(head_dim);
      std::vector<float> cosine, sine;
      for (float angle : random.normals(num_pairs, 2)) {
        cosine.push_back(std::cos(angle));
        sine.push_back(std::sin(angle));
      }
      std::vector<float> head = before;
      apply_rope(pairing, cosine.data(), sine.data(), 2 * num_pairs, head.data());
      for (int64_t i = 0; i < num_pairs; ++i) {
        const bool is_halves = pairing == RopePairing::kHalves;
        const auto first = static_cast<size_t>(is_halves ? i : 2 * i);
        const auto second = static_cast<size_t>(is_halves ? i + num_pairs : 2 * i + 1);
        const double c = double{cosine[static_cast<size_t>(i)]}, s = double{sine[static_cast<size_t>(i)]};
        const double a = double{before[first]}, b = double{before[second]};
        const double tolerance = 4 * kUnit * (std::fabs(a) + std::fabs(b));
        ASSERT_NEAR(double{head[first]}, a * c - b * s, tolerance);
        ASSERT_NEAR(double{head[second]}, a * s + b * c, tolerance);
      }
      for (size_t i = static_cast<size_t>(2 * num_pairs); i < head.size(); ++i) ASSERT_EQ(head[i], before[i]);
    });
  }
}

}  // namespace
}  // namespace saccade
