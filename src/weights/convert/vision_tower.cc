#include "weights/convert/vision_tower.h"

#include <array>
#include <vector>

#include "base/format.h"

namespace saccade {
namespace {

constexpr std::array<float, 3> kClipMean = {0.48145466F, 0.4578275F, 0.40821073F};
constexpr std::array<float, 3> kClipStd = {0.26862954F, 0.26130258F, 0.27577711F};

Expected<std::vector<float>> channel_values(const Config& settings, std::string_view name) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<double> values, settings.numbers(name));
  if (values.size() != 3) return corrupt_data(settings.path() + ": " + quote(name) + " must have three numbers");
  return std::vector<float>(values.begin(), values.end());
}

Status write_normalization(PlanBuilder& builder) {
  GgufKeys& keys = builder.plan().vision_keys;
  const Config settings = preprocessor_settings(builder.checkpoint());
  if (!settings.has("image_mean") || !settings.has("image_std")) {
    builder.warn("no image_mean and image_std in preprocessor_config.json: CLIP's are taken");
    keys.set_f32s("clip.vision.image_mean", kClipMean);
    keys.set_f32s("clip.vision.image_std", kClipStd);
    return {};
  }
  SACCADE_ASSIGN_OR_RETURN(const auto mean, channel_values(settings, "image_mean"));
  SACCADE_ASSIGN_OR_RETURN(const auto std, channel_values(settings, "image_std"));
  keys.set_f32s("clip.vision.image_mean", mean);
  keys.set_f32s("clip.vision.image_std", std);
  return {};
}

// PIL's numbers for its filters, which preprocessor_config.json uses.
Status write_resample(PlanBuilder& builder) {
  const Config settings = preprocessor_settings(builder.checkpoint());
  const Json* resample = settings.find("resample");
  if (resample == nullptr || !resample->is_number_integer()) return {};
  const auto id = resample->get<int64_t>();
  constexpr std::array<const char*, 4> kFilters = {nullptr, "lanczos", "bilinear", "bicubic"};
  if (id < 1 || id > 3) {
    builder.warn(format("resampling filter %d is not known: the family's own is used", static_cast<int>(id)));
    return {};
  }
  builder.plan().vision_keys.set_string("saccade.vision.resample", kFilters[static_cast<size_t>(id)]);
  return {};
}

Status write_activation(GgufKeys& keys, const std::string& hidden_act) {
  const bool is_gelu = hidden_act == "gelu" || hidden_act == "gelu_pytorch_tanh";
  const bool is_silu = hidden_act == "silu";
  if (!is_gelu && !is_silu && hidden_act != "quick_gelu") {
    return unsupported("the vision tower's activation " + quote(hidden_act) +
                       " is not known (known: gelu, gelu_pytorch_tanh, quick_gelu, silu)");
  }
  keys.set_bool("clip.use_gelu", is_gelu);
  keys.set_bool("clip.use_silu", is_silu);
  keys.set_string("saccade.vision.hidden_act", hidden_act);
  return {};
}

Status plan_embeddings(PlanBuilder& builder, const VisionDimensions& dims) {
  constexpr ModelPart kPart = ModelPart::kVision;
  const std::string source = "vision.embeddings.";
  SACCADE_RETURN_IF_ERROR(builder.copy(kPart, TensorRole::kPatch, "v.patch_embd.weight",
                                       source + "patch_embedding.weight",
                                       Shape{dims.width, 3, dims.patch_size, dims.patch_size}));
  SACCADE_RETURN_IF_ERROR(builder.copy_if_present(kPart, TensorRole::kExact, "v.patch_embd.bias",
                                                  source + "patch_embedding.bias", Shape{dims.width}));
  SACCADE_RETURN_IF_ERROR(builder.copy_if_present(kPart, TensorRole::kExact, "v.class_embd", source + "class_embedding",
                                                  Shape{dims.width}));
  const int64_t per_side = dims.image_size / dims.patch_size;
  const int64_t num_positions = per_side * per_side + (builder.checkpoint().has(source + "class_embedding") ? 1 : 0);
  SACCADE_RETURN_IF_ERROR(builder.copy(kPart, TensorRole::kExact, "v.position_embd.weight",
                                       source + "position_embedding.weight", Shape{num_positions, dims.width}));
  builder.checkpoint().ignore(source + "position_ids");
  if (!builder.checkpoint().has("vision.pre_layrnorm.weight")) return {};
  return builder.copy_norm(kPart, "v.pre_ln", "vision.pre_layrnorm", dims.width);  // Transformers' own spelling
}

Status plan_block(PlanBuilder& builder, const VisionDimensions& dims, int64_t block) {
  constexpr ModelPart kPart = ModelPart::kVision;
  const std::string source = format("vision.encoder.layers.%lld.", static_cast<long long>(block));
  const std::string target = format("v.blk.%lld.", static_cast<long long>(block));
  const std::array<std::array<const char*, 2>, 4> projections = {{{"attn_q", "self_attn.q_proj"},
                                                                  {"attn_k", "self_attn.k_proj"},
                                                                  {"attn_v", "self_attn.v_proj"},
                                                                  {"attn_out", "self_attn.out_proj"}}};
  SACCADE_RETURN_IF_ERROR(builder.copy_norm(kPart, target + "ln1", source + "layer_norm1", dims.width));
  for (const auto& [to, from] : projections) {
    SACCADE_RETURN_IF_ERROR(builder.copy_linear(kPart, target + to, source + from, dims.width, dims.width));
  }
  SACCADE_RETURN_IF_ERROR(builder.copy_norm(kPart, target + "ln2", source + "layer_norm2", dims.width));
  SACCADE_RETURN_IF_ERROR(builder.copy_linear(kPart, target + "ffn_up", source + "mlp.fc1", dims.ffn_dim, dims.width));
  return builder.copy_linear(kPart, target + "ffn_down", source + "mlp.fc2", dims.width, dims.ffn_dim);
}

}  // namespace

Status write_vision_keys(PlanBuilder& builder, const VisionDimensions& dims, const std::string& projector_type) {
  ModelPlan& plan = builder.plan();
  GgufKeys& keys = plan.vision_keys;
  plan.has_vision = true;
  const auto set = [&](const char* name, int64_t value) {
    keys.set_u32(std::string("clip.vision.") + name, static_cast<uint32_t>(value));
  };
  keys.set_bool("clip.has_vision_encoder", true);
  keys.set_string("clip.projector_type", projector_type);
  SACCADE_RETURN_IF_ERROR(write_activation(keys, dims.hidden_act));
  set("image_size", dims.image_size);
  set("patch_size", dims.patch_size);
  set("embedding_length", dims.width);
  set("feed_forward_length", dims.ffn_dim);
  set("block_count", dims.num_blocks);
  set("projection_dim", dims.model_dim);
  set("attention.head_count", dims.num_heads);
  keys.set_f32("clip.vision.attention.layer_norm_epsilon", static_cast<float>(dims.epsilon));
  SACCADE_RETURN_IF_ERROR(write_normalization(builder));
  return write_resample(builder);
}

Status plan_vit(PlanBuilder& builder, const VisionDimensions& dims, bool has_post_norm) {
  if (dims.width % dims.num_heads != 0 || dims.image_size < dims.patch_size) {
    return corrupt_data("the vision tower's width, heads, picture and patch size do not fit together");
  }
  SACCADE_RETURN_IF_ERROR(plan_embeddings(builder, dims));
  for (int64_t block = 0; block < dims.num_blocks; ++block) SACCADE_RETURN_IF_ERROR(plan_block(builder, dims, block));
  if (has_post_norm) {
    SACCADE_RETURN_IF_ERROR(builder.copy_norm(ModelPart::kVision, "v.post_ln", "vision.post_layernorm", dims.width));
  }
  // Blocks after the last that runs, and the pooling of towers trained for retrieval.
  for (const char* prefix : {"vision.encoder.layers.", "vision.post_layernorm.", "vision.head."}) {
    builder.checkpoint().ignore(prefix);
  }
  return {};
}

void assume_vit(Checkpoint& checkpoint, bool is_clip) {
  checkpoint.assume_where([is_clip](std::string_view name) {
    if (!name.starts_with("vision.")) return false;
    if (name.ends_with("class_embedding") || name.find("pre_layrnorm") != std::string_view::npos) return is_clip;
    return name != "vision.embeddings.patch_embedding.bias" || !is_clip;
  });
}

Config vision_settings(const Checkpoint& checkpoint) {
  Config settings(checkpoint.config_path());
  settings.add(find_member(checkpoint.config(), "vision_config"));
  return settings;
}

Config preprocessor_settings(const Checkpoint& checkpoint) {
  Config settings(checkpoint.path_of("preprocessor_config.json"));
  settings.add(&checkpoint.preprocessor_config());
  return settings;
}

Expected<int64_t> nested_integer_or(const Config& settings, std::string_view object, std::string_view name,
                                    int64_t fallback) {
  Config inner(settings.path() + ": " + std::string(object));
  inner.add(settings.find(object));
  return inner.integer_or(name, fallback, 1, 1 << 30);
}

}  // namespace saccade
