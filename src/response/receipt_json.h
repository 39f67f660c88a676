// Receipts and answers as JSON objects and as a table for a terminal.
#pragma once

#include <string>

#include "saccade/engine.h"

namespace saccade {

/// {"answer": ..., "receipt": {"latency_ms", "ttft_ms", "stages_ms": {...}, "tokens": {...}, ...}} on one line. ttft_ms
/// is null where there was no first token.
std::string answer_json(const Answer& answer);

/// A few lines, aligned, with a newline at the end of each.
std::string receipt_table(const Receipt& receipt);

}  // namespace saccade
