// What of a request the conversation holds already, as the planner is told.
#pragma once

#include <span>
#include <vector>

#include "engine/engine_state.h"
#include "engine/pictures.h"
#include "planner/planner.h"
#include "saccade/request.h"
#include "saccade/status.h"
#include "text/chat_template.h"

namespace saccade {

/// Adds to `described` the rows that any plan may take over, and what the plan of the conversation's last answer may,
/// where the request leaves that to choose. Pictures are left as if nothing of them had been looked at, to be laid out
/// anew by set_fineness(). Errors: those of build_prompt() and set_fineness().
Status add_past(const EngineState& engine, const Request& request, const std::vector<PromptSpan>& spans,
                std::span<Picture> pictures, PlanRequest& described);

}  // namespace saccade
