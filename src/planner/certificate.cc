#include "planner/certificate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace saccade {
namespace {

// Relative entropy of Bernoulli distributions, in nats.
double divergence(double a, double b) {
  const double first = a <= 0 ? 0 : a * std::log(a / b);
  const double second = a >= 1 ? 0 : (1 - a) * std::log((1 - a) / (1 - b));
  return first + second;
}

// P[Bin(n, p) <= k]. Summed from its largest term down, in logarithms where they would be too small to hold.
double binomial_cdf(int64_t k, int64_t n, double p) {
  if (k >= n) return 1;
  if (k < 0) return 0;
  const auto count = static_cast<double>(n);
  double sum = 0;
  for (int64_t i = 0; i <= k; ++i) {
    const auto hits = static_cast<double>(i);
    const double log_term = std::lgamma(count + 1) - std::lgamma(hits + 1) - std::lgamma(count - hits + 1) +
                            hits * std::log(p) + (count - hits) * std::log1p(-p);
    sum += std::exp(log_term);
  }
  return std::min(1.0, sum);
}

}  // namespace

double loss_p_value(double mean_loss, int64_t num_samples, double epsilon) {
  if (num_samples <= 0 || epsilon <= 0) return 1;
  if (epsilon >= 1) return 0;
  const auto count = static_cast<double>(num_samples);
  const double hoeffding = std::exp(-count * divergence(std::min(mean_loss, epsilon), epsilon));
  // Means of whole losses are not quite whole after a division.
  const auto hits = static_cast<int64_t>(std::ceil(count * mean_loss - 1e-9));
  const double bentkus = std::numbers::e * binomial_cdf(hits, num_samples, epsilon);
  return std::min({1.0, hoeffding, bentkus});
}

size_t certified_rungs(std::span<const LadderRung> ladder, double epsilon, double delta) {
  size_t count = 0;
  for (const LadderRung& rung : ladder) {
    if (loss_p_value(rung.mean_loss, rung.num_questions, epsilon) > delta) break;
    ++count;
  }
  return count;
}

double least_epsilon(std::span<const LadderRung> ladder, size_t num_rungs, double delta) {
  double low = 0;
  double high = 1;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (certified_rungs(ladder.first(num_rungs), middle, delta) == num_rungs ? high : low) = middle;
  }
  return high;
}

}  // namespace saccade
