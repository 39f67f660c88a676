// The vision part of LLaVA, whoever saved it.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "saccade/status.h"
#include "weights/convert/config.h"
#include "weights/convert/model_plan.h"

namespace saccade {

/// The settings of CLIP ViT-L/14 at 336 pixels, which LLaVA is made of where nothing else is said.
const Json& clip_large_336();

struct LlavaSettings {
  int64_t model_dim = 0;       // of the language model
  int64_t feature_layer = -2;  // index into the tower's hidden states; negative counts from the end
  std::string feature_select;  // "default" drops CLS, "full" keeps it
  std::string resize_mode;     // "pad" or "crop"; overridden where there are pinpoints
  std::array<std::string, 2> projector_layers;
  const Json* pinpoints = nullptr;  // LLaVA-1.6: image_grid_pinpoints, pairs; null without
};

/// `tower` is the CLIP tower's part of its config.json.
Status plan_llava_vision(PlanBuilder& builder, const Config& tower, const LlavaSettings& llava);

}  // namespace saccade
