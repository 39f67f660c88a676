// LLaVA-1.5 and LLaVA-1.6 as Transformers saves them: a CLIP tower, a two-layer MLP, a decoder.
#include <array>

#include "base/format.h"
#include "weights/convert/family.h"
#include "weights/convert/language_model.h"
#include "weights/convert/llava_parts.h"
#include "weights/convert/vision_tower.h"

namespace saccade {
namespace {

Status check_projector(const Config& settings) {
  SACCADE_ASSIGN_OR_RETURN(const std::string activation, settings.string_or("projector_hidden_act", "gelu"));
  if (activation == "gelu") return {};
  return unsupported(settings.path() + ": the projector's activation is " + quote(activation) + "; only gelu is known");
}

// -2 where the config does not say. A list of several layers would have to be concatenated, which no LLaVA does.
Expected<int64_t> feature_layer(const Config& settings) {
  const Json* layers = settings.find("vision_feature_layer");
  if (layers != nullptr && layers->is_array()) {
    if (layers->size() == 1 && layers->front().is_number_integer()) return layers->front().get<int64_t>();
    return unsupported(settings.path() + ": several vision_feature_layers; only one can be converted");
  }
  return settings.integer_or("vision_feature_layer", -2, -1024, 1024);
}

// Transformers' LlavaImageProcessor can pad; CLIP's, which llava-1.5-7b-hf uses, crops the centre.
Expected<std::string> resize_mode(const Checkpoint& checkpoint) {
  SACCADE_ASSIGN_OR_RETURN(const bool is_padded, preprocessor_settings(checkpoint).boolean_or("do_pad", false));
  return std::string(is_padded ? "pad" : "crop");
}

// Layers that the model was trained to do without, the least missed first (train/export_adaptive.py).
Status plan_skip_orders(PlanBuilder& builder, const Config& settings) {
  const Json* orders = settings.find("saccade_skip_order");
  if (orders == nullptr) return {};
  const auto read = [&](const char* part) -> Expected<std::vector<int32_t>> {
    std::vector<int32_t> layers;
    const Json* list = find_member(*orders, part);
    if (list == nullptr || !list->is_array()) {
      return corrupt_data(settings.path() + ": saccade_skip_order has no list " + quote(part));
    }
    for (const Json& layer : *list) {
      if (!layer.is_number_unsigned() || layer.get<uint64_t>() > 1024) {
        return corrupt_data(settings.path() + ": saccade_skip_order names something that is no layer");
      }
      layers.push_back(layer.get<int32_t>());
    }
    return layers;
  };
  SACCADE_ASSIGN_OR_RETURN(const std::vector<int32_t> vision, read("vision"));
  SACCADE_ASSIGN_OR_RETURN(const std::vector<int32_t> text, read("text"));
  builder.plan().vision_keys.set_i32s("saccade.vision.skip_order", vision);
  builder.plan().language_keys.set_i32s("saccade.decoder.skip_order", text);
  return {};
}

// The head that says which visual tokens a question needs (train/token_scorer.py). Small, and it decides discretely:
// f32.
Status plan_token_scorer(PlanBuilder& builder) {
  for (const std::string& name : builder.checkpoint().left_over()) {
    if (!name.starts_with("token_scorer.")) continue;
    const SafeTensor& tensor = *builder.checkpoint().find(name);
    SACCADE_RETURN_IF_ERROR(
        builder.copy(ModelPart::kVision, TensorRole::kExact, "saccade." + name, name, Shape(tensor.dims)));
  }
  return {};
}

Status plan_llava(PlanBuilder& builder) {
  Checkpoint& checkpoint = builder.checkpoint();
  Config settings(checkpoint.config_path());
  settings.add(&checkpoint.config());
  SACCADE_RETURN_IF_ERROR(check_projector(settings));
  SACCADE_ASSIGN_OR_RETURN(const std::string decoder, text_model_type(checkpoint, "llama"));
  LlavaSettings llava;
  SACCADE_ASSIGN_OR_RETURN(llava.model_dim, plan_language_model(builder, text_settings(checkpoint), decoder));
  SACCADE_ASSIGN_OR_RETURN(llava.feature_layer, feature_layer(settings));
  SACCADE_ASSIGN_OR_RETURN(llava.feature_select, settings.string_or("vision_feature_select_strategy", "default"));
  SACCADE_ASSIGN_OR_RETURN(llava.resize_mode, resize_mode(checkpoint));
  SACCADE_RETURN_IF_ERROR(plan_skip_orders(builder, settings));
  SACCADE_RETURN_IF_ERROR(plan_token_scorer(builder));
  llava.projector_layers = {"projector.linear_1", "projector.linear_2"};
  if (checkpoint.has("image_newline")) llava.pinpoints = settings.find("image_grid_pinpoints");
  Config tower = vision_settings(checkpoint);
  // Without any settings it is Transformers' default for LLaVA; with some, the others are its defaults for CLIP.
  if (find_member(checkpoint.config(), "vision_config") == nullptr) tower.add(&clip_large_336());
  return plan_llava_vision(builder, tower, llava);
}

Status assume_llava(Checkpoint& checkpoint) {
  SACCADE_ASSIGN_OR_RETURN(const std::string decoder, text_model_type(checkpoint, "llama"));
  const bool has_newline = find_member(checkpoint.config(), "image_grid_pinpoints") != nullptr;
  assume_vit(checkpoint, /*is_clip=*/true);
  checkpoint.assume_where([has_newline](std::string_view name) {
    return (has_newline && name == "image_newline") || name.starts_with("projector.");
  });
  return assume_language_model(checkpoint, text_settings(checkpoint), decoder);
}

}  // namespace

Family llava_family() {
  Family family;
  family.name = "llava";
  family.architectures = {"LlavaForConditionalGeneration", "LlavaNextForConditionalGeneration"};
  family.model_types = {"llava", "llava_next"};
  family.prefixes = {
      {"language_model.model.", "lm."},
      {"language_model.lm_head.", "lm_head."},
      {"model.language_model.", "lm."},
      {"vision_tower.vision_model.", "vision."},
      {"vision_tower.", "vision."},
      {"model.vision_tower.vision_model.", "vision."},
      {"model.vision_tower.", "vision."},
      {"multi_modal_projector.", "projector."},
      {"model.multi_modal_projector.", "projector."},
      {"model.image_newline", "image_newline"},
  };
  family.plan = plan_llava;
  family.assume = assume_llava;
  return family;
}

}  // namespace saccade
