// Whether a plan loses more than its certificate says: the world has changed since it was calibrated.
#pragma once

#include <cstdint>

namespace saccade {

/// Chance of an alarm where the certificate is right.
inline constexpr double kDriftAlarm = 0.001;

/// Of `num_answers` answers by a plan that were compared with the full plan's, the mean loss. True where so much is
/// likelier than not no accident: were the expected loss `epsilon`, it would be seen with a probability under
/// kDriftAlarm.
bool has_drifted(double mean_loss, int64_t num_answers, double epsilon);

}  // namespace saccade
