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

// The tower's own settings: a folder given for it, or those of the towers that these checkpoints were trained on.
Expected<Json> tower_config(Checkpoint& checkpoint) {
  if (!checkpoint.tower_dir().empty()) {
    SACCADE_ASSIGN_OR_RETURN(const Checkpoint tower, Checkpoint::open(checkpoint.tower_dir()));
    const Json* inner = find_member(tower.config(), "vision_config");
    return inner != nullptr ? *inner : tower.config();
  }
  Json tower = clip_large_336();
  const Json* name = find_member(checkpoint.config(), "mm_vision_tower");
  if (name == nullptr || !name->is_string()) return tower;
  const auto text = name->get<std::string>();
  if (text.ends_with("clip-vit-large-patch14")) {
    tower["image_size"] = 224;
  } else if (checkpoint.has_settings_alone() && !text.ends_with("clip-vit-large-patch14-336")) {
    return unsupported(checkpoint.config_path() + ": mm_vision_tower is " + quote(text) +
                       ", whose settings are not in this file (known: openai/clip-vit-large-patch14-336, "
                       "openai/clip-vit-large-patch14)");
  }
  return tower;
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

// A scheduler as AdaLLaVA has it (references.md, 1): what decides by it reads its sizes off the tensors.
Status assume_scheduler(Checkpoint& checkpoint, const Config& settings) {
  SACCADE_ASSIGN_OR_RETURN(const int64_t dim, settings.integer_or("hidden_size", 4096, 1, 1 << 20));
  SACCADE_ASSIGN_OR_RETURN(const int64_t num_layers, settings.integer_or("num_hidden_layers", 32, 1, 1024));
  SACCADE_ASSIGN_OR_RETURN(const int64_t num_heads, settings.integer_or("num_attention_heads", 32, 1, 4096));
  SACCADE_ASSIGN_OR_RETURN(const int64_t num_prefix, settings.integer("num_prefix_layers", 0, num_layers - 1));
  SACCADE_ASSIGN_OR_RETURN(const std::string type, settings.string_or("scheduler_type", "L"));
  constexpr int64_t kWaves = 256;  // numbers that tell the budget
  const int64_t num_options = (num_layers - num_prefix) * (type == "H" ? 2 * num_heads : 1);
  const auto assume = [&](const std::string& layer, std::vector<int64_t> dims) {
    checkpoint.assume("scheduler." + layer + ".bias", {dims.front()});
    checkpoint.assume("scheduler." + layer + ".weight", std::move(dims));
  };
  assume("mlp_head", {num_options, dim});
  assume("scheduler_up_proj.net.0", {kWaves});
  assume("scheduler_up_proj.net.1", {dim, kWaves});
  assume("scheduler_up_proj.net.3", {dim, dim});
  return {};
}

Status assume_original_llava(Checkpoint& checkpoint) {
  Config settings(checkpoint.config_path());
  settings.add(&checkpoint.config());
  assume_vit(checkpoint, /*is_clip=*/true);
  checkpoint.assume_where([](std::string_view name) {
    return name == "vision.embeddings.patch_embedding.weight" || name == "image_newline" ||
           name.starts_with("projector.");
  });
  SACCADE_ASSIGN_OR_RETURN(const std::string model_type, settings.string_or("model_type", "llava_llama"));
  if (model_type == "ada_llava_llama") SACCADE_RETURN_IF_ERROR(assume_scheduler(checkpoint, settings));
  return assume_language_model(checkpoint, settings, "llama");
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
  family.assume = assume_original_llava;
  return family;
}

}  // namespace saccade
