// The value that a share of some values does not pass.
#pragma once

#include <vector>

namespace saccade {

/// The smallest value that a `share` of them does not pass (nearest rank); 0 of none.
double quantile(std::vector<double> values, double share);

}  // namespace saccade
