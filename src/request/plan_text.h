// A plan on one line, as sweeps and their files name it: "keep=144,strategy=divprune,skip-equal=0". The parts are
// called as the flags of `saccade ask` are (cli/plan_options.h), without their dashes; lists have plus signs:
// "prune=8:0.5+16:0.25".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "saccade/plan.h"
#include "saccade/status.h"

namespace saccade {

struct NamedPlan {
  std::string name;
  Plan plan;
};

/// "full" is the plan that leaves nothing out. Errors: kInvalidArgument names the part and what it may be.
Expected<Plan> parse_plan(std::string_view text);

/// The same with "NAME: " in front, or without: then the name is plan_text(). Errors: those of parse_plan().
Expected<NamedPlan> parse_named_plan(std::string_view text);

/// What parse_plan() makes the same plan of; "full" for the full plan.
std::string plan_text(const Plan& plan);

/// The parts of plan_text() by name, as in {"keep", "strategy"}; none for the full plan.
std::vector<std::string> plan_parts(const Plan& plan);

/// All names of parts that there are, in the order of plan_text().
std::vector<std::string> known_plan_parts();

}  // namespace saccade
