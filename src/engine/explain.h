// The planner's choice, told with what it was chosen from.
#pragma once

#include "engine/planning.h"
#include "planner/planner.h"
#include "saccade/explanation.h"
#include "saccade/plan.h"

namespace saccade {

/// `fixed`: what the request's plan says itself.
PlanExplanation explain(const Planning& planning, const PlanRequest& request, const Plan& fixed);

/// A candidate as it is told.
Prediction prediction_of(const Candidate& candidate, double expected_tokens);

}  // namespace saccade
