// SmolVLM, SmolVLM2 and Idefics3: a SigLIP tower, pixel-unshuffle and one matrix, a decoder.
#include "weights/convert/family.h"
#include "weights/convert/language_model.h"
#include "weights/convert/vision_tower.h"

namespace saccade {
namespace {

Expected<VisionDimensions> read_dimensions(const Config& tower) {
  VisionDimensions dims;  // the defaults are those of SmolVLMVisionConfig and Idefics3VisionConfig
  SACCADE_ASSIGN_OR_RETURN(dims.image_size, tower.integer_or("image_size", 224, 1, 1 << 14));
  SACCADE_ASSIGN_OR_RETURN(dims.patch_size, tower.integer_or("patch_size", 32, 1, 1 << 14));
  SACCADE_ASSIGN_OR_RETURN(dims.width, tower.integer_or("hidden_size", 1152, 1, 1 << 16));
  SACCADE_ASSIGN_OR_RETURN(dims.ffn_dim, tower.integer_or("intermediate_size", 3072, 1, 1 << 18));
  SACCADE_ASSIGN_OR_RETURN(dims.num_heads, tower.integer_or("num_attention_heads", 16, 1, 1024));
  SACCADE_ASSIGN_OR_RETURN(dims.num_blocks, tower.integer_or("num_hidden_layers", 12, 1, 1024));
  SACCADE_ASSIGN_OR_RETURN(dims.epsilon, tower.number_or("layer_norm_eps", 1e-6));
  SACCADE_ASSIGN_OR_RETURN(dims.hidden_act, tower.string_or("hidden_act", "gelu_pytorch_tanh"));
  return dims;
}

Status write_tile_keys(PlanBuilder& builder, int64_t scale_factor, int64_t image_size) {
  GgufKeys& keys = builder.plan().vision_keys;
  const Config processor = preprocessor_settings(builder.checkpoint());
  SACCADE_ASSIGN_OR_RETURN(const int64_t longest, nested_integer_or(processor, "size", "longest_edge", 4 * image_size));
  SACCADE_ASSIGN_OR_RETURN(const int64_t tile,
                           nested_integer_or(processor, "max_image_size", "longest_edge", image_size));
  SACCADE_ASSIGN_OR_RETURN(const bool is_split, processor.boolean_or("do_image_splitting", true));
  keys.set_u32("clip.vision.projector.scale_factor", static_cast<uint32_t>(scale_factor));
  keys.set_u32("clip.vision.preproc_image_size", static_cast<uint32_t>(longest));
  keys.set_u32("saccade.vision.tile_size", static_cast<uint32_t>(tile));
  keys.set_bool("saccade.vision.is_split", is_split);
  return {};
}

Status plan_smolvlm(PlanBuilder& builder) {
  Checkpoint& checkpoint = builder.checkpoint();
  SACCADE_ASSIGN_OR_RETURN(const std::string decoder, text_model_type(checkpoint, "llama"));
  SACCADE_ASSIGN_OR_RETURN(const int64_t model_dim, plan_language_model(builder, text_settings(checkpoint), decoder));
  SACCADE_ASSIGN_OR_RETURN(VisionDimensions dims, read_dimensions(vision_settings(checkpoint)));
  dims.model_dim = model_dim;
  Config settings(checkpoint.config_path());
  settings.add(&checkpoint.config());
  SACCADE_ASSIGN_OR_RETURN(const int64_t scale_factor, settings.integer_or("scale_factor", 2, 1, 64));
  SACCADE_RETURN_IF_ERROR(write_vision_keys(builder, dims, "idefics3"));
  SACCADE_RETURN_IF_ERROR(write_tile_keys(builder, scale_factor, dims.image_size));
  SACCADE_RETURN_IF_ERROR(plan_vit(builder, dims, /*has_post_norm=*/true));
  return builder.copy(ModelPart::kVision, TensorRole::kMatrix, "mm.model.fc.weight",
                      "projector.modality_projection.proj.weight",
                      Shape{model_dim, dims.width * scale_factor * scale_factor});
}

Status assume_smolvlm(Checkpoint& checkpoint) {
  SACCADE_ASSIGN_OR_RETURN(const std::string decoder, text_model_type(checkpoint, "llama"));
  assume_vit(checkpoint, /*is_clip=*/false);
  return assume_language_model(checkpoint, text_settings(checkpoint), decoder);
}

}  // namespace

Family smolvlm_family() {
  Family family;
  family.name = "smolvlm";
  family.architectures = {"SmolVLMForConditionalGeneration", "Idefics3ForConditionalGeneration"};
  family.model_types = {"smolvlm", "idefics3"};
  family.prefixes = {
      {"model.text_model.", "lm."},
      {"model.vision_model.", "vision."},
      {"model.connector.", "projector."},
  };
  family.plan = plan_smolvlm;
  family.assume = assume_smolvlm;
  return family;
}

}  // namespace saccade
