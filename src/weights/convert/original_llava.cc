// LLaVA as its authors save it (haotian-liu/LLaVA), and AdaLLaVA, which adds a scheduler to it (references.md, 1).
#include <array>
#include <utility>

#include "base/format.h"
#include "weights/convert/family.h"
#include "weights/convert/language_model.h"
#include "weights/convert/llava_parts.h"
#include "weights/convert/vision_tower.h"

namespace saccade {
namespace {

Status check_projector(const Config& settings) {
  SACCADE_ASSIGN_OR_RETURN(const std::string type, settings.string_or("mm_projector_type", "linear"));
  if (type == "mlp2x_gelu") return {};
  return unsupported(settings.path() + ": the projector is " + quote(type) + "; only mlp2x_gelu can be converted");
}

// The scheduler's tensors are small and decide discretely, so they stay f32.
Status plan_scheduler(PlanBuilder& builder, const Config& settings) {
  Checkpoint& checkpoint = builder.checkpoint();
  if (!checkpoint.has("scheduler.mlp_head.weight")) {
    builder.warn("no scheduler tensors: this AdaLLaVA checkpoint becomes a plain LLaVA");
    return {};
  }
  // In a pair these go to the mmproj: llama.cpp refuses a language model with tensors it does not know.
  GgufKeys& keys = builder.plan().vision_keys;
  SACCADE_ASSIGN_OR_RETURN(const int64_t num_prefix_layers, settings.integer("num_prefix_layers", 0, 1024));
  SACCADE_ASSIGN_OR_RETURN(const int64_t rank, settings.integer_or("scheduler_rank", 8, 1, 1024));
  SACCADE_ASSIGN_OR_RETURN(const std::string type, settings.string_or("scheduler_type", "L"));
  SACCADE_ASSIGN_OR_RETURN(const std::string selecting, settings.string_or("token_selecting", "none"));
  if (type != "L" && type != "H") {
    return unsupported(settings.path() + ": scheduler_type " + quote(type) + " is not known (known: L, H)");
  }
  if (selecting != "none" && selecting != "prumerge" && selecting != "prumerge+") {
    return unsupported(settings.path() + ": token_selecting " + quote(selecting) +
                       " is not known (known: none, prumerge, prumerge+)");
  }
  keys.set_u32("ada.num_prefix_layers", static_cast<uint32_t>(num_prefix_layers));
  keys.set_u32("ada.scheduler_rank", static_cast<uint32_t>(rank));
  keys.set_string("ada.scheduler_type", type);
  keys.set_string("ada.token_selecting", selecting);
  for (const char* layer :
       {"mlp_head", "scheduler_up_proj.net.0", "scheduler_up_proj.net.1", "scheduler_up_proj.net.3"}) {
    for (const char* kind : {".weight", ".bias"}) {
      const std::string name = std::string("scheduler.") + layer + kind;
      const SafeTensor* tensor = checkpoint.find(name);
      if (tensor == nullptr) return not_found(checkpoint.dir() + ": scheduler tensor " + quote(name) + " is missing");
      if (tensor->dims.empty() || tensor->dims.size() > 2)
        return corrupt_data(quote(name) + " is " + tensor->to_string());
      SACCADE_RETURN_IF_ERROR(
          builder.copy(ModelPart::kVision, TensorRole::kExact, "ada." + name, name, Shape(tensor->dims)));
    }
  }
  return {};
}

// The tower's own settings: a folder given for it, or CLIP ViT-L/14-336, which all these checkpoints were trained on.
Expected<Json> tower_config(Checkpoint& checkpoint) {
  if (!checkpoint.tower_dir().empty()) {
    SACCADE_ASSIGN_OR_RETURN(const Checkpoint tower, Checkpoint::open(checkpoint.tower_dir()));
    const Json* inner = find_member(tower.config(), "vision_config");
    return inner != nullptr ? *inner : tower.config();
  }
  return Json{{"model_type", "clip_vision_model"},
              {"hidden_size", 1024},
              {"intermediate_size", 4096},
              {"num_hidden_layers", 24},
              {"num_attention_heads", 16},
              {"image_size", 336},
              {"patch_size", 14},
              {"hidden_act", "quick_gelu"}};
}

Status check_tower(const Checkpoint& checkpoint, const Config& settings) {
  if (checkpoint.has("vision.embeddings.patch_embedding.weight")) return {};
  SACCADE_ASSIGN_OR_RETURN(const std::string name, settings.string_or("mm_vision_tower", "a CLIP model"));
  return not_found(checkpoint.dir() + ": no vision tower inside; get " + quote(name) +
                   " and give its folder with --vision-tower");
}

Status plan_original_llava(PlanBuilder& builder) {
  Checkpoint& checkpoint = builder.checkpoint();
  Config settings(checkpoint.config_path());
  settings.add(&checkpoint.config());
  SACCADE_RETURN_IF_ERROR(check_projector(settings));
  SACCADE_RETURN_IF_ERROR(check_tower(checkpoint, settings));
  LlavaSettings llava;
  SACCADE_ASSIGN_OR_RETURN(llava.model_dim, plan_language_model(builder, settings, "llama"));
  SACCADE_ASSIGN_OR_RETURN(llava.feature_layer, settings.integer_or("mm_vision_select_layer", -2, -1024, 1024));
  SACCADE_ASSIGN_OR_RETURN(const std::string aspect, settings.string_or("image_aspect_ratio", "square"));
  SACCADE_ASSIGN_OR_RETURN(const std::string select, settings.string_or("mm_vision_select_feature", "patch"));
  llava.feature_select = select == "patch" ? "default" : "full";
  llava.resize_mode = aspect == "pad" ? "pad" : "crop";
  llava.projector_layers = {"projector.0", "projector.2"};
  if (checkpoint.has("image_newline") && aspect == "anyres") llava.pinpoints = settings.find("image_grid_pinpoints");
  SACCADE_ASSIGN_OR_RETURN(const Json tower, tower_config(checkpoint));
  Config tower_settings(checkpoint.tower_dir().empty() ? checkpoint.config_path() : checkpoint.tower_dir());
  tower_settings.add(&tower);
  SACCADE_RETURN_IF_ERROR(plan_llava_vision(builder, tower_settings, llava));
  SACCADE_ASSIGN_OR_RETURN(const std::string model_type, settings.string_or("model_type", "llava_llama"));
  if (model_type == "ada_llava_llama") return plan_scheduler(builder, settings);
  return {};
}

}  // namespace

Family original_llava_family() {
  Family family;
  family.name = "llava (original)";
  family.architectures = {"LlavaLlamaForCausalLM", "AdaLlavaLlamaForCausalLM"};
  family.model_types = {"llava_llama", "llava", "ada_llava_llama"};
  family.prefixes = {
      {"model.", "lm."},
      {"model.mm_projector.", "projector."},
      {"model.image_newline", "image_newline"},
      {"model.vision_tower.vision_tower.vision_model.", "vision."},
      {"model.vision_tower.vision_tower.", "vision."},
  };
  family.plan = plan_original_llava;
  return family;
}

}  // namespace saccade
