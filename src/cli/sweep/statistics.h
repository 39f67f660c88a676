// The arithmetic of a sweep: middles, a line through points, what nothing else beats.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace saccade {

/// The middle value, or the mean of the two in the middle; 0 of none.
double median(std::vector<double> values);

/// 0 of none.
double mean(std::span<const double> values);

struct Sample {
  double x = 0;
  double y = 0;
};

/// y = intercept + slope * x by least squares.
struct LineFit {
  double slope = 0;
  double intercept = 0;
  double r_squared = 0;  // share of y's variance that the line explains
  int num_points = 0;
};

/// None where the points do not say: fewer than three, or all at (within a hundredth) the same x.
std::optional<LineFit> fit_line(std::span<const Sample> samples);

/// Which samples no other beats: none has as much y at less x, or more y at as much x. Ascending in x; of samples that
/// are equal in both the first.
std::vector<size_t> pareto_front(std::span<const Sample> samples);

}  // namespace saccade
