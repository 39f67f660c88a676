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

// P[Bin(n, p) <= k] for k < n p: from its largest term down, each by its share of the one before, until they are too
// small to count.
double binomial_cdf(int64_t k, int64_t n, double p) {
  const auto count = static_cast<double>(n);
  auto hits = static_cast<double>(k);
  const double log_largest = std::lgamma(count + 1) - std::lgamma(hits + 1) - std::lgamma(count - hits + 1) +
                             hits * std::log(p) + (count - hits) * std::log1p(-p);
  double share = 1;
  double sum = 1;
  for (; hits > 0 && share > 1e-17 * sum; --hits) {
    share *= hits / (count - hits + 1) * (1 - p) / p;
    sum += share;
  }
  return std::exp(log_largest) * sum;
}

}  // namespace

double loss_p_value(double mean_loss, int64_t num_samples, double epsilon) {
  if (num_samples <= 0 || epsilon <= 0) return 1;
  if (epsilon >= 1) return 0;
  if (mean_loss >= epsilon) return 1;
  const auto count = static_cast<double>(num_samples);
  const double hoeffding = std::exp(-count * divergence(mean_loss, epsilon));
  // Means of whole losses are not quite whole after a division.
  const auto hits = static_cast<int64_t>(std::ceil(count * mean_loss - 1e-9));
  const bool is_below = static_cast<double>(hits) < count * epsilon;
  const double bentkus = is_below ? std::numbers::e * binomial_cdf(hits, num_samples, epsilon) : 1;
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
