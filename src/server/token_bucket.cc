#include "server/token_bucket.h"

#include <algorithm>

namespace saccade {
namespace {

constexpr double kMinuteMs = 60'000;

}  // namespace

double TokenBucket::level(double now_ms) const {
  const double passed_ms = std::max(0.0, now_ms - level_at_ms_);
  return std::min(per_minute_, level_ + per_minute_ * passed_ms / kMinuteMs);
}

void TokenBucket::use(double amount, double now_ms) {
  level_ = level(now_ms) - amount;
  level_at_ms_ = std::max(level_at_ms_, now_ms);
}

double TokenBucket::ms_until(double amount, double now_ms) const {
  return std::max(0.0, (std::min(amount, per_minute_) - level(now_ms)) * kMinuteMs / per_minute_);
}

void TokenBucket::set_rate(double per_minute, double now_ms) {
  level_ = per_minute - (per_minute_ - level(now_ms));
  level_at_ms_ = std::max(level_at_ms_, now_ms);
  per_minute_ = per_minute;
}

}  // namespace saccade
