// Receipts and answers as JSON objects and as a table for a terminal.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "saccade/engine.h"

namespace saccade {

/// {"request_id", "plan", "latency_ms", "ttft_ms", "stages_ms": {...}, "tokens": {...}, ...}.
nlohmann::ordered_json receipt_json(const Receipt& receipt);

/// {"answer": ..., "receipt": {"latency_ms", "ttft_ms", "stages_ms": {...}, "tokens": {...}, ...}} on one line. ttft_ms
/// is null where there was no first token.
std::string answer_json(const Answer& answer);

/// A few lines, aligned, with a newline at the end of each.
std::string receipt_table(const Receipt& receipt);

}  // namespace saccade
