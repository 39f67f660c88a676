// What measured times say about predicted ones, learnt as answers come in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace saccade {

/// Quantiles of the last values. Until there are enough, those of a normal distribution of the spread it begins with.
class RecentQuantiles {
 public:
  explicit RecentQuantiles(double first_spread) : first_spread_(first_spread) {}

  void add(double value);
  double median() const { return median_; }
  /// Over which one in twenty is.
  double p95() const { return p95_; }
  int64_t count() const { return count_; }

 private:
  static constexpr size_t kSize = 64;
  static constexpr size_t kEnough = 20;
  void refresh();

  double first_spread_;
  std::array<double, kSize> values_ = {};
  int64_t count_ = 0;
  double median_ = 0;
  double p95_ = 1.645 * first_spread_;
};

/// The time of one stage: `scale * x + offset` of a roofline's x, by least squares of relative errors in which older
/// measurements weigh less; times what loads of about that size took beside the line, since caches and threads make
/// none of it straight; times a pace that follows what else the machine does: slowly, and at once where two
/// measurements in a row are far off to the same side.
class StageResidual {
 public:
  // Corrections stand at e^(kKnotStep * (i - kZeroKnot)) milliseconds of x, the logarithm between them is linear.
  static constexpr size_t kNumKnots = 48;
  static constexpr double kKnotStep = 0.5;
  static constexpr double kZeroKnot = 16;

  double predict_ms(double x_ms) const;
  /// Relative spread of the last measurements around their predictions, as a standard deviation of logarithms.
  double spread() const { return state_.spread; }
  double pace() const;
  void add(double x_ms, double measured_ms);

  // What is kept of it from run to run.
  struct State {
    double anchor = 1;  // the first measurement over its x: what `scale` is told in
    // Normal equations of (scale, offset): sums of relative weights.
    double xx = 0, xo = 0, oo = 0, xy = 0, oy = 0;
    std::array<double, kNumKnots> log_corrections = {};
    double log_pace = 0;
    double spread = 0.3;
    int64_t count = 0;
  };
  const State& state() const { return state_; }
  void set_state(const State& state);

 private:
  void solve();
  void correct(double x_ms, double error);

  State state_;
  double scale_ = 1;
  double offset_ms_ = 0;
  double last_error_ = 0;
};

}  // namespace saccade
