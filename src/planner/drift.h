// Whether a plan loses more than its certificate says: the world has changed since it was calibrated.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "saccade/learning.h"

namespace saccade {

/// Chance of an alarm where the certificate is right.
inline constexpr double kDriftAlarm = 0.001;

/// Of `num_answers` answers by a plan that were compared with the full plan's, the mean loss. True where so much is
/// likelier than not no accident: were the expected loss `epsilon`, it would be seen with a probability under
/// kDriftAlarm.
bool has_drifted(double mean_loss, int64_t num_answers, double epsilon);

/// The same of all plans of a model, answer by answer.
class DriftWatch {
 public:
  /// An answer by a plan that was certified to lose no more than `epsilon`; `loss`: against the full plan's, 0..1.
  void add(const std::string& task_class, const std::string& plan, double loss, double epsilon);
  /// Of plans that have drifted, by class and plan.
  std::vector<DriftAlarm> alarms() const;

 private:
  struct Losses {
    double sum = 0;
    double epsilon = 0;  // the loosest that was promised
    int64_t count = 0;
  };
  std::map<std::pair<std::string, std::string>, Losses> losses_;
};

}  // namespace saccade
