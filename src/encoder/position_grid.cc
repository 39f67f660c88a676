#include "encoder/position_grid.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace saccade {
namespace {

constexpr int kNumTaps = 4;

/// Which of the old positions a new one is made of, along one side.
struct Taps {
  std::array<int64_t, kNumTaps> idx;
  std::array<float, kNumTaps> weight;
};

// Keys' cubic convolution with a = -0.75.
double cubic(double distance) {
  constexpr double kA = -0.75;
  const double x = std::abs(distance);
  if (x <= 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  if (x < 2) return ((kA * x - 5 * kA) * x + 8 * kA) * x - 4 * kA;
  return 0;
}

std::vector<Taps> make_taps(int64_t side, int64_t new_side) {
  std::vector<Taps> all;
  for (int64_t i = 0; i < new_side; ++i) {
    const double centre =
        (static_cast<double>(i) + 0.5) * static_cast<double>(side) / static_cast<double>(new_side) - 0.5;
    const double first = std::floor(centre) - 1;
    Taps taps = {};
    for (int tap = 0; tap < kNumTaps; ++tap) {
      const auto slot = static_cast<size_t>(tap);
      taps.idx[slot] = std::clamp<int64_t>(static_cast<int64_t>(first) + tap, 0, side - 1);
      taps.weight[slot] = static_cast<float>(cubic(centre - first - tap));
    }
    all.push_back(taps);
  }
  return all;
}

}  // namespace

Tensor interpolate_positions(const Tensor& positions, int64_t side, int64_t new_side) {
  const int64_t dim = positions.shape()[1];
  const std::vector<Taps> all_taps = make_taps(side, new_side);
  Tensor columns(Shape{side * new_side, dim});  // every row of the old grid, at the new columns
  Tensor grid(Shape{new_side * new_side, dim});
  columns.fill(0);
  grid.fill(0);
  const auto add = [](float weight, std::span<const float> source, std::span<float> target) {
    for (size_t i = 0; i < target.size(); ++i) target[i] += weight * source[i];
  };
  for (int64_t x = 0; x < new_side; ++x) {
    const Taps& taps = all_taps[static_cast<size_t>(x)];
    for (size_t tap = 0; tap < kNumTaps; ++tap) {
      for (int64_t y = 0; y < side; ++y) {
        add(taps.weight[tap], positions.row(y * side + taps.idx[tap]), columns.row(y * new_side + x));
      }
    }
  }
  for (int64_t y = 0; y < new_side; ++y) {
    const Taps& taps = all_taps[static_cast<size_t>(y)];
    for (size_t tap = 0; tap < kNumTaps; ++tap) {
      for (int64_t x = 0; x < new_side; ++x) {
        add(taps.weight[tap], columns.row(taps.idx[tap] * new_side + x), grid.row(y * new_side + x));
      }
    }
  }
  return grid;
}

}  // namespace saccade
