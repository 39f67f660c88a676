// Flags that say how much is looked at and thought.
#pragma once

#include <CLI/CLI.hpp>

#include "saccade/plan.h"

namespace saccade {

/// Under which help texts list them.
inline constexpr const char* kPlanGroup = "Looking and thinking less";

/// Adds --resolution, --keep, --strategy, --layers and the other levers of `plan` to `command`, as a group of its help.
void add_plan_options(CLI::App& command, Plan& plan);

/// Of these, who chooses the visual tokens that are kept and how many.
void add_choice_options(CLI::App& command, Plan& plan);

}  // namespace saccade
