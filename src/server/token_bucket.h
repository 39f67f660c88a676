// A rate that may be saved up for a minute: pure arithmetic on times that the caller brings.
#pragma once

namespace saccade {

/// Holds what may be used at once, up to a minute's share, and is filled evenly. What is used can be more than it
/// holds: it then owes, and nothing is let in until that is filled up. Times are milliseconds of any clock that never
/// goes backwards.
class TokenBucket {
 public:
  /// Full. `per_minute` is over 0.
  TokenBucket(double per_minute, double now_ms) : per_minute_(per_minute), level_(per_minute), level_at_ms_(now_ms) {}

  double per_minute() const { return per_minute_; }
  /// Under 0: what it owes.
  double level(double now_ms) const;
  void use(double amount, double now_ms);
  /// Until it holds so much, at most a minute's share; 0 where it does.
  double ms_until(double amount, double now_ms) const;
  /// Another rate from here on: what was used of the old one stays used.
  void set_rate(double per_minute, double now_ms);

 private:
  double per_minute_;
  double level_;  // at level_at_ms_
  double level_at_ms_;
};

}  // namespace saccade
