#include "planner/residual.h"

#include <algorithm>
#include <cmath>

namespace saccade {
namespace {

constexpr double kMemory = 0.995;  // weight of a measurement after another one
constexpr double kPaceRate = 0.2;  // of the latest measurement, as far as it is no outlier
// The same where it is the second in a row that is so many spreads off to one side.
constexpr double kQuickPaceRate = 0.6;
constexpr double kFarSpreads = 1.5;   // a measurement farther off is an outlier, unless it is the second
constexpr double kSpreadRate = 0.05;  // the same of the spread
constexpr double kKnotRate = 0.15;    // the same of the knots beside it
constexpr double kLargestStep = 1.5;  // logarithm of the farthest that one measurement may be off
constexpr int64_t kFirstOnes = 5;     // measurements that settle the line rather than the pace
// As if the anchor, and no offset, had been measured so often before.
constexpr double kScaleTrust = 0.5;
constexpr double kOffsetTrust = 0.02;  // at a millisecond

// Where a load stands among the knots: `below` and the next one, `share` of the way.
struct KnotPlace {
  size_t below = 0;
  double share = 0;
};

KnotPlace knot_place(double x_ms) {
  constexpr double kLast = static_cast<double>(StageResidual::kNumKnots - 1) - 1e-6;
  const double place = std::log(x_ms) / StageResidual::kKnotStep + StageResidual::kZeroKnot;
  const double inside = std::clamp(place, 0.0, kLast);
  return {static_cast<size_t>(inside), inside - std::floor(inside)};
}

}  // namespace

void RecentQuantiles::add(double value) {
  values_[static_cast<size_t>(count_++) % kSize] = value;
  refresh();
}

void RecentQuantiles::refresh() {
  const size_t size = std::min(kSize, static_cast<size_t>(count_));
  std::array<double, kSize> sorted = values_;
  std::sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(size));
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(size - 1);
    const auto below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, size - 1);
    return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
  };
  const double trust = std::min(1.0, static_cast<double>(size) / kEnough);
  median_ = trust * at(0.5);
  p95_ = trust * at(0.95) + (1 - trust) * 1.645 * first_spread_;
}

double StageResidual::predict_ms(double x_ms) const {
  const double line_ms = scale_ * state_.anchor * x_ms + offset_ms_;
  if (!(x_ms > 0)) return std::exp(state_.log_pace) * line_ms;
  const auto [below, share] = knot_place(x_ms);
  const std::array<double, kNumKnots>& knots = state_.log_corrections;
  return std::exp(state_.log_pace + (1 - share) * knots[below] + share * knots[below + 1]) * line_ms;
}

void StageResidual::correct(double x_ms, double error) {
  const auto [below, share] = knot_place(x_ms);
  const double largest = kFarSpreads * state_.spread;
  const double step = kKnotRate * std::clamp(error, -largest, largest);
  state_.log_corrections[below] += (1 - share) * step;
  state_.log_corrections[below + 1] += share * step;
}

double StageResidual::pace() const {
  return std::exp(state_.log_pace);
}

void StageResidual::set_state(const State& state) {
  state_ = state;
  solve();
}

void StageResidual::solve() {
  const double xx = state_.xx + kScaleTrust;
  const double xy = state_.xy + kScaleTrust;
  const double oo = state_.oo + kOffsetTrust;
  const double determinant = xx * oo - state_.xo * state_.xo;
  scale_ = (xy * oo - state_.oy * state_.xo) / determinant;
  offset_ms_ = (xx * state_.oy - state_.xo * xy) / determinant;
  if (offset_ms_ < 0) {  // nothing takes less than no time
    offset_ms_ = 0;
    scale_ = xy / xx;
  } else if (scale_ < 0) {
    scale_ = 0;
    offset_ms_ = state_.oy / oo;
  }
}

void StageResidual::add(double x_ms, double measured_ms) {
  if (!(measured_ms > 0) || !std::isfinite(measured_ms) || !std::isfinite(x_ms)) return;
  if (state_.count == 0 && x_ms > 0) state_.anchor = measured_ms / x_ms;
  const double predicted_ms = std::max(1e-6, predict_ms(x_ms));
  const double error = std::clamp(std::log(measured_ms / predicted_ms), -kLargestStep, kLargestStep);
  const bool is_first = state_.count < kFirstOnes;
  if (!is_first) {
    if (x_ms > 0) correct(x_ms, error);
    const double far = kFarSpreads * state_.spread;
    const bool has_turned = std::min(error, last_error_) > far || std::max(error, last_error_) < -far;
    state_.log_pace += has_turned ? kQuickPaceRate * error : kPaceRate * std::clamp(error, -far, far);
    last_error_ = error;
    state_.spread += kSpreadRate * (1.25 * std::abs(error) - state_.spread);  // the mean of |x| is 0.8 sigma
  }
  const double steady_ms = measured_ms / std::exp(state_.log_pace);
  const double weight = 1 / (steady_ms * steady_ms);
  const double x = state_.anchor * x_ms;
  state_.xx = kMemory * state_.xx + weight * x * x;
  state_.xo = kMemory * state_.xo + weight * x;
  state_.oo = kMemory * state_.oo + weight;
  state_.xy = kMemory * state_.xy + weight * x * steady_ms;
  state_.oy = kMemory * state_.oy + weight * steady_ms;
  ++state_.count;
  solve();
}

}  // namespace saccade
