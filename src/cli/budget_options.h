// Flags that say what an answer may take and must keep.
#pragma once

#include <CLI/CLI.hpp>

#include "saccade/budget.h"

namespace saccade {

/// Adds --within, --first-token-within, --max-cost, --min-quality and --strict to `command`.
void add_budget_options(CLI::App& command, Budget& budget);

}  // namespace saccade
