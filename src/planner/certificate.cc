#include "planner/certificate.h"

#include <algorithm>
#include <cmath>

namespace saccade {
namespace {

// P[Bin(count, p) <= hits] for hits < count p: from its largest term down, each by its share of the one before, until
// they are too small to count.
double binomial_cdf(double hits, double count, double p) {
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
  // Means of whole losses are not quite whole after a division.
  const auto count = static_cast<double>(num_samples);
  const double hits = std::ceil(count * mean_loss - 1e-6);
  // More than half of the probability is no evidence, and would take long to add up.
  return hits >= count * epsilon ? 1 : binomial_cdf(hits, count, epsilon);
}

size_t certified_rungs(std::span<const LadderRung> ladder, double epsilon, double delta) {
  size_t count = 0;
  for (const LadderRung& rung : ladder) {
    if (rung.is_revoked || loss_p_value(rung.mean_loss, rung.num_questions, epsilon) > delta) break;
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
