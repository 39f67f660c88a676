// When an answer counts as right.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/eval_set.h"

namespace saccade {

/// Lower case (ASCII), runs of white space as one space, none at the ends, one full stop at the end removed.
std::string normalize_answer(std::string_view text);

/// The number at the start of an answer ("3.5 bar", "$ 1,200.00"); none if there is none.
std::optional<double> leading_number(std::string_view text);

/// True if the normalised answer equals the normalised truth or one of `accept`, or is a number within the tolerance.
/// The item must have an answer.
bool is_right(const EvalItem& item, std::string_view answer);

}  // namespace saccade
