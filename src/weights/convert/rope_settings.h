// Rotary position settings of config.json, in both of Transformers' layouts, to llama.cpp's keys.
#pragma once

#include <cstdint>
#include <string>

#include "saccade/status.h"
#include "weights/convert/config.h"
#include "weights/convert/model_plan.h"

namespace saccade {

/// Writes `prefix`rope.* and, for the llama3 kind, the tensor rope_freqs.weight (a divisor per frequency). Errors:
/// kUnsupported (a kind of scaling that neither this program nor llama.cpp's architecture can run), kCorruptData.
Status write_rope_settings(PlanBuilder& builder, const Config& settings, const std::string& prefix, int64_t head_dim);

}  // namespace saccade
