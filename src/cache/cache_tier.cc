#include "cache/cache_tier.h"

#include <algorithm>

namespace saccade {

int64_t expiry_after(std::optional<double> ttl_ms, const WallClock& clock) {
  if (!ttl_ms) return kNeverExpires;
  const int64_t now_us = clock();
  const double left_us = std::max(*ttl_ms, 0.0) * 1000;
  return left_us < static_cast<double>(kNeverExpires - now_us) ? now_us + static_cast<int64_t>(left_us) : kNeverExpires;
}

}  // namespace saccade
