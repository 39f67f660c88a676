// The charts of a ledger: a point for each day.
#pragma once

#include <vector>

#include "cli/plot/drawing.h"
#include "ledger/summary.h"

namespace saccade {

/// Those that the days have something for: cost, deadlines, tokens, latency, quality. `by_day` is grouped by
/// GroupBy::kDay.
std::vector<plot::Drawing> report_charts(const LedgerSummary& by_day);

}  // namespace saccade
