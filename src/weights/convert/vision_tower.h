// CLIP and SigLIP towers, and the keys that every family's vision part has.
#pragma once

#include <cstdint>
#include <string>

#include "saccade/status.h"
#include "weights/convert/config.h"
#include "weights/convert/model_plan.h"

namespace saccade {

struct VisionDimensions {
  int64_t image_size = 0;
  int64_t patch_size = 0;
  int64_t width = 0;  // of the tower
  int64_t ffn_dim = 0;
  int64_t num_blocks = 0;  // that run, which are those stored
  int64_t num_heads = 0;
  double epsilon = 0;
  std::string hidden_act;
  int64_t model_dim = 0;  // of the language model
};

/// Writes clip.* and saccade.vision.* that are common to all families. Errors: kUnsupported (an activation that is not
/// known).
Status write_vision_keys(PlanBuilder& builder, const VisionDimensions& dims, const std::string& projector_type);

/// A ViT as CLIP and SigLIP name its parts: vision.embeddings.*, vision.encoder.layers.N.*. The optional parts (class
/// embedding, patch bias, pre-norm) are taken where the checkpoint has them; blocks beyond
/// dims.num_blocks are left out, the post-norm is taken if `has_post_norm`.
Status plan_vit(PlanBuilder& builder, const VisionDimensions& dims, bool has_post_norm);

/// Assumes the optional parts of a CLIP or SigLIP tower of settings alone.
void assume_vit(Checkpoint& checkpoint, bool is_clip);

/// The settings of the vision tower and of the image processor.
Config vision_settings(const Checkpoint& checkpoint);
Config preprocessor_settings(const Checkpoint& checkpoint);

/// An integer inside an object of the settings ("size": {"longest_edge": 2048}), or `fallback`.
Expected<int64_t> nested_integer_or(const Config& settings, std::string_view object, std::string_view name,
                                    int64_t fallback);

}  // namespace saccade
