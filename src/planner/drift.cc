#include "planner/drift.h"

#include <algorithm>
#include <cmath>

namespace saccade {

// Hoeffding's bound in its relative entropy form, for a mean above the expected one.
bool has_drifted(double mean_loss, int64_t num_answers, double epsilon) {
  if (num_answers <= 0 || mean_loss <= epsilon || epsilon >= 1) return false;
  if (epsilon <= 0) return true;
  const double first = mean_loss * std::log(mean_loss / epsilon);
  const double second = mean_loss >= 1 ? 0 : (1 - mean_loss) * std::log((1 - mean_loss) / (1 - epsilon));
  return std::exp(-static_cast<double>(num_answers) * (first + second)) < kDriftAlarm;
}

void DriftWatch::add(const std::string& task_class, const std::string& plan, double loss, double epsilon) {
  Losses& losses = losses_[{task_class, plan}];
  losses.sum += loss;
  losses.epsilon = std::max(losses.epsilon, epsilon);
  ++losses.count;
}

std::vector<DriftAlarm> DriftWatch::alarms() const {
  std::vector<DriftAlarm> alarms;
  for (const auto& [key, losses] : losses_) {
    const double mean = losses.sum / static_cast<double>(losses.count);
    if (!has_drifted(mean, losses.count, losses.epsilon)) continue;
    alarms.push_back({key.first, key.second, mean, losses.epsilon, losses.count});
  }
  return alarms;
}

}  // namespace saccade
