// Why a request would be answered by the plan that it would be answered by, without answering it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "saccade/receipt.h"

namespace saccade {

struct ConsideredPlan {
  std::string plan;  // as `--plan` writes it
  Prediction predicted;
  QualityClaim claim;
  int64_t visual_tokens = 0;
  bool is_chosen = false;
  std::string verdict;  // why it lost, or won
};

struct PlanExplanation {
  std::string task_class;
  // The full plan, the one chosen, and those that no other beats in both time and quality; by time, ascending.
  std::vector<ConsideredPlan> plans;
  std::string shortfall;     // what can't be promised, and the best that can; empty: nothing
  int64_t num_compared = 0;  // plans
  double planning_ms = 0;
  uint64_t free_memory_bytes = 0;  // for the answer; UINT64_MAX where the system won't say
  // Share of the last ten seconds in which something that could run waited for a processor; absent where the system
  // won't say.
  std::optional<double> cpu_pressure;
  bool is_machine_measured = false;  // else predictions begin with a guess
  bool is_calibrated = false;        // else quality is that of other models
};

}  // namespace saccade
