// What is shown of a sweep: the table on the terminal, the JSON object, the files of --out.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/sweep/summary.h"
#include "saccade/engine.h"
#include "saccade/status.h"

namespace saccade {

/// What was measured on what.
struct SweepFacts {
  std::string model;          // path
  std::string set;            // path
  int64_t num_questions = 0;  // that were to be asked
  int64_t num_repeats = 1;
  ModelInfo info;
  Status end;  // why fewer were asked; ok if all were
};

/// Tables and sentences for a terminal.
std::string sweep_text(const SweepFacts& facts, const SweepSummary& summary);

/// {"rows": [{"plan", "visual_tokens", "layers", "flops", "latency_ms", ...}], "linearity": ..., ...}.
nlohmann::ordered_json sweep_json(const SweepFacts& facts, const SweepSummary& summary);

/// sweep.json, table.md, sweep.html, quality_flops.png, quality_ms.png and linearity.png. Errors: kIoError with the
/// path.
Status write_sweep_files(const std::string& folder, const SweepFacts& facts, const SweepSummary& summary);

}  // namespace saccade
