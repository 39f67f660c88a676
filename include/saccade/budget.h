// What an answer may take, and what of the full plan's quality it must keep.
#pragma once

#include <cstdint>
#include <optional>

namespace saccade {

enum class BudgetMode : uint8_t {
  kBestEffort,  // what can't be kept is missed by as little as possible, and the receipt says so
  kStrict,      // a request whose budget can't be kept is refused before anything is computed
};

/// Limits; any may be absent. Time is wall time from when the request arrived.
struct Budget {
  std::optional<double> max_latency_ms;  // to the last token
  std::optional<double> max_ttft_ms;     // to the first
  std::optional<double> max_cost_usd;    // by the engine's prices
  std::optional<double> min_quality;     // share of the full plan's quality, 0..1
  BudgetMode mode = BudgetMode::kBestEffort;
  double waited_ms = 0;    // since the request arrived, before the engine was asked: in a queue, on the way
  int64_t num_queued = 0;  // requests that wait behind this one, each for as long as it takes

  bool is_limited() const { return max_latency_ms || max_ttft_ms || max_cost_usd || min_quality; }
};

}  // namespace saccade
