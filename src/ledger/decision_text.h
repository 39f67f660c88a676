// The plans that a choice was made from, as a ledger keeps them: [{"plan", "quality", "cost"}, ...].
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "saccade/learning.h"
#include "saccade/status.h"

namespace saccade {

std::string weighed_plans_text(const std::vector<WeighedPlan>& plans);

/// Empty of an empty text. Errors: kCorruptData.
Expected<std::vector<WeighedPlan>> parse_weighed_plans(std::string_view text);

}  // namespace saccade
