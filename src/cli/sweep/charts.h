// The charts of a sweep.
#pragma once

#include <cstdint>

#include "cli/plot/drawing.h"
#include "cli/sweep/summary.h"

namespace saccade {

enum class CostAxis : uint8_t { kFlops, kMs };

/// Quality over what a question costs, with the front that no plan is beyond. The baselines' lines are dashed.
plot::Drawing quality_chart(const SweepSummary& summary, CostAxis axis);

/// Milliseconds over FLOPs of every plan, with the line through them: encoder, prefill, and a token of the answer.
plot::Drawing linearity_chart(const SweepSummary& summary);

}  // namespace saccade
