#include "weights/convert/llava_parts.h"

#include <vector>

#include "base/format.h"
#include "weights/convert/vision_tower.h"

namespace saccade {
namespace {

// Transformers' defaults are CLIP ViT-B/32's; every LLaVA names its own sizes, except for the activation and epsilon.
Expected<VisionDimensions> read_dimensions(const Config& tower, const LlavaSettings& llava) {
  VisionDimensions dims;
  SACCADE_ASSIGN_OR_RETURN(dims.image_size, tower.integer_or("image_size", 224, 1, 1 << 14));
  SACCADE_ASSIGN_OR_RETURN(dims.patch_size, tower.integer_or("patch_size", 32, 1, 1 << 14));
  SACCADE_ASSIGN_OR_RETURN(dims.width, tower.integer_or("hidden_size", 768, 1, 1 << 16));
  SACCADE_ASSIGN_OR_RETURN(dims.ffn_dim, tower.integer_or("intermediate_size", 3072, 1, 1 << 18));
  SACCADE_ASSIGN_OR_RETURN(dims.num_heads, tower.integer_or("num_attention_heads", 12, 1, 1024));
  SACCADE_ASSIGN_OR_RETURN(const int64_t num_layers, tower.integer_or("num_hidden_layers", 12, 1, 1024));
  SACCADE_ASSIGN_OR_RETURN(dims.epsilon, tower.number_or("layer_norm_eps", 1e-5));
  SACCADE_ASSIGN_OR_RETURN(dims.hidden_act, tower.string_or("hidden_act", "quick_gelu"));
  SACCADE_ASSIGN_OR_RETURN(const std::string type, tower.string_or("model_type", "clip_vision_model"));
  if (type != "clip_vision_model" && type != "clip") {
    return unsupported(tower.path() + ": the vision tower is " + quote(type) + "; LLaVA's is converted with CLIP only");
  }
  // hidden_states[0] is the input of block 0, so hidden_states[n] is the output of n blocks.
  dims.num_blocks = llava.feature_layer < 0 ? num_layers + 1 + llava.feature_layer : llava.feature_layer;
  if (dims.num_blocks < 1 || dims.num_blocks > num_layers) {
    return corrupt_data(tower.path() + format(": feature layer %d of a tower of %d",
                                              static_cast<int>(llava.feature_layer), static_cast<int>(num_layers)));
  }
  dims.model_dim = llava.model_dim;
  return dims;
}

// Linear layers of the projector; llama.cpp takes the biases for granted, so absent ones are zeros.
Status plan_projector(PlanBuilder& builder, const LlavaSettings& llava, int64_t width) {
  for (size_t i = 0; i < llava.projector_layers.size(); ++i) {
    const std::string target = i == 0 ? "mm.0" : "mm.2";
    SACCADE_RETURN_IF_ERROR(builder.copy_linear(ModelPart::kVision, target, llava.projector_layers[i], llava.model_dim,
                                                i == 0 ? width : llava.model_dim));
    if (!builder.checkpoint().has(llava.projector_layers[i] + ".bias")) {
      builder.add_values(ModelPart::kVision, target + ".bias",
                         std::vector<float>(static_cast<size_t>(llava.model_dim)));
    }
  }
  return {};
}

Expected<std::vector<int32_t>> flat_pinpoints(const Json& pinpoints) {
  std::vector<int32_t> sides;
  const Status wrong = corrupt_data("image_grid_pinpoints is not a list of pairs of sizes");
  if (!pinpoints.is_array() || pinpoints.empty() || pinpoints.size() > 1024) return wrong;
  for (const Json& pair : pinpoints) {
    if (!pair.is_array() || pair.size() != 2) return wrong;
    for (const Json& side : pair) {
      if (!side.is_number_unsigned() || side.get<uint64_t>() == 0 || side.get<uint64_t>() > (1 << 16)) return wrong;
      sides.push_back(side.get<int32_t>());
    }
  }
  return sides;
}

Status plan_any_resolution(PlanBuilder& builder, const LlavaSettings& llava, int64_t image_size) {
  GgufKeys& keys = builder.plan().vision_keys;
  SACCADE_ASSIGN_OR_RETURN(const std::vector<int32_t> sides, flat_pinpoints(*llava.pinpoints));
  keys.set_i32s("clip.vision.image_grid_pinpoints", sides);
  keys.set_string("clip.vision.mm_patch_merge_type", "spatial_unpad");
  keys.set_u32("clip.vision.image_crop_resolution", static_cast<uint32_t>(image_size));
  keys.set_string("saccade.vision.resize_mode", "anyres");
  return builder.copy(ModelPart::kVision, TensorRole::kExact, "model.image_newline", "image_newline",
                      Shape{llava.model_dim});
}

}  // namespace

const Json& clip_large_336() {
  static const Json kSettings = {{"model_type", "clip_vision_model"},
                                 {"hidden_size", 1024},
                                 {"intermediate_size", 4096},
                                 {"num_hidden_layers", 24},
                                 {"num_attention_heads", 16},
                                 {"image_size", 336},
                                 {"patch_size", 14},
                                 {"hidden_act", "quick_gelu"}};
  return kSettings;
}

Status plan_llava_vision(PlanBuilder& builder, const Config& tower, const LlavaSettings& llava) {
  SACCADE_ASSIGN_OR_RETURN(const VisionDimensions dims, read_dimensions(tower, llava));
  SACCADE_RETURN_IF_ERROR(write_vision_keys(builder, dims, "mlp"));
  GgufKeys& keys = builder.plan().vision_keys;
  // Without this key llama.cpp runs one block fewer than block_count (README.md, "Which blocks run").
  const std::array<int32_t, 1> feature_layer = {static_cast<int32_t>(dims.num_blocks)};
  keys.set_i32s("clip.vision.feature_layer", feature_layer);
  keys.set_string("saccade.vision.feature_select", llava.feature_select);
  keys.set_string("saccade.vision.resize_mode", llava.resize_mode);
  keys.set_string("saccade.vision.projector_act", "gelu");
  SACCADE_RETURN_IF_ERROR(plan_vit(builder, dims, /*has_post_norm=*/false));
  SACCADE_RETURN_IF_ERROR(plan_projector(builder, llava, dims.width));
  if (llava.pinpoints == nullptr) return {};
  return plan_any_resolution(builder, llava, dims.image_size);
}

}  // namespace saccade
