// What a ledger knows of how good answers were, as an engine learns from it.
#pragma once

#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "saccade/learning.h"
#include "saccade/status.h"

namespace saccade {

/// Of the model of that file name, in order of time: answers that somebody scored, people before shadows. Errors: those
/// of reading the ledger.
Expected<std::vector<LabelledAnswer>> labelled_answers(const Ledger& ledger, const std::string& model);

}  // namespace saccade
