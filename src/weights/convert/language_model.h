// The decoder of every family: settings to llama.cpp's keys, tensors to its names.
#pragma once

#include <cstdint>
#include <string_view>

#include "saccade/status.h"
#include "weights/convert/config.h"
#include "weights/convert/model_plan.h"

namespace saccade {

/// Adds the language model to the plan. `settings` is the text part of config.json with the whole below it;
/// `model_type` is what Transformers calls the decoder (llama, mistral, qwen2, qwen2_vl, ...). Returns its width.
Expected<int64_t> plan_language_model(PlanBuilder& builder, const Config& settings, std::string_view model_type);

/// Assumes what tells one language model's tensors from another's: those of a checkpoint of settings alone. Errors: as
/// above.
Status assume_language_model(Checkpoint& checkpoint, const Config& settings, std::string_view model_type);

/// text_config over the whole config, and the decoder's model_type (`fallback` where text_config does not say).
Config text_settings(const Checkpoint& checkpoint);
Expected<std::string> text_model_type(const Checkpoint& checkpoint, std::string_view fallback);

}  // namespace saccade
