#include "cli/sweep/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace saccade {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

double mean(std::span<const double> values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::optional<LineFit> fit_line(std::span<const Sample> samples) {
  constexpr double kLeastSpread = 0.01;
  if (samples.size() < 3) return std::nullopt;
  const auto count = static_cast<double>(samples.size());
  Sample middle;
  double least = std::numeric_limits<double>::max();
  double most = std::numeric_limits<double>::lowest();
  for (const Sample& sample : samples) {
    middle.x += sample.x / count;
    middle.y += sample.y / count;
    least = std::min(least, sample.x);
    most = std::max(most, sample.x);
  }
  if (!(most - least > kLeastSpread * std::max(std::abs(least), std::abs(most)))) return std::nullopt;
  double xx = 0;
  double xy = 0;
  double yy = 0;
  for (const Sample& sample : samples) {
    xx += (sample.x - middle.x) * (sample.x - middle.x);
    xy += (sample.x - middle.x) * (sample.y - middle.y);
    yy += (sample.y - middle.y) * (sample.y - middle.y);
  }
  LineFit fit;
  fit.slope = xy / xx;
  fit.intercept = middle.y - fit.slope * middle.x;
  fit.r_squared = yy > 0 ? xy * xy / (xx * yy) : 1;
  fit.num_points = static_cast<int>(samples.size());
  return fit;
}

std::vector<size_t> pareto_front(std::span<const Sample> samples) {
  std::vector<size_t> order(samples.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    return samples[a].x != samples[b].x ? samples[a].x < samples[b].x : samples[a].y > samples[b].y;
  });
  std::vector<size_t> front;
  double best = std::numeric_limits<double>::lowest();
  for (const size_t i : order) {
    if (samples[i].y <= best) continue;
    best = samples[i].y;
    front.push_back(i);
  }
  return front;
}

}  // namespace saccade
