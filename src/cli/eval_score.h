// When an answer counts as right.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "saccade/status.h"

namespace saccade {

/// One line of an evaluation set.
struct EvalItem {
  std::string where;  // the line it is from, "set.jsonl:12"
  std::string image;  // as written, relative to the set's file
  std::string question;
  std::string answer;
  std::vector<std::string> accept;  // other answers that are as right
  std::optional<double> tolerance;  // numbers this far from `answer` are right
  std::string kind;                 // "unnamed" where the line has none
};

/// Parses a JSON object. Errors: kCorruptData names the field; `where` ("set.jsonl:12") comes first.
Expected<EvalItem> parse_eval_item(std::string_view json, std::string_view where);

/// Lower case (ASCII), runs of white space as one space, none at the ends, one full stop at the end removed.
std::string normalize_answer(std::string_view text);

/// The number at the start of an answer ("3.5 bar", "$ 1,200.00"); none if there is none.
std::optional<double> leading_number(std::string_view text);

/// True if the normalised answer equals the normalised truth or one of `accept`, or is a number within the tolerance.
bool is_right(const EvalItem& item, std::string_view answer);

}  // namespace saccade
