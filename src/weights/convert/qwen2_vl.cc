// Qwen2-VL and Qwen2.5-VL: a tower with rotary positions and merged patches, a Qwen2 decoder with M-RoPE.
#include <array>
#include <vector>

#include "base/format.h"
#include "weights/convert/family.h"
#include "weights/convert/language_model.h"
#include "weights/convert/vision_tower.h"

namespace saccade {
namespace {

constexpr ModelPart kPart = ModelPart::kVision;
constexpr int64_t kTemporalPatchSize = 2;

struct Tower {
  VisionDimensions dims;
  int64_t merge_size = 2;
  bool is_2_5 = false;  // RMS norms, gated MLP, window attention
};

// Transformers 4 and 5 give 2's width as embed_dim (hidden_size is the decoder's there), 2.5's as hidden_size.
Expected<Tower> read_tower(const Config& settings, bool is_2_5) {
  Tower tower;
  tower.is_2_5 = is_2_5;
  VisionDimensions& dims = tower.dims;
  SACCADE_ASSIGN_OR_RETURN(dims.width,
                           settings.integer_or(is_2_5 ? "hidden_size" : "embed_dim", is_2_5 ? 3584 : 1280, 1, 1 << 16));
  SACCADE_ASSIGN_OR_RETURN(const double ratio, settings.number_or("mlp_ratio", 4));
  if (ratio < 0.01 || ratio > 1000) return corrupt_data(settings.path() + ": mlp_ratio makes no sense");
  dims.ffn_dim = static_cast<int64_t>(static_cast<double>(dims.width) * ratio);
  if (is_2_5) {
    SACCADE_ASSIGN_OR_RETURN(dims.ffn_dim, settings.integer_or("intermediate_size", 3420, 1, 1 << 18));
  }
  SACCADE_ASSIGN_OR_RETURN(dims.num_heads, settings.integer_or("num_heads", 16, 1, 1024));
  SACCADE_ASSIGN_OR_RETURN(dims.num_blocks, settings.integer_or("depth", 32, 1, 1024));
  SACCADE_ASSIGN_OR_RETURN(dims.patch_size, settings.integer_or("patch_size", 14, 1, 1024));
  SACCADE_ASSIGN_OR_RETURN(tower.merge_size, settings.integer_or("spatial_merge_size", 2, 1, 16));
  SACCADE_ASSIGN_OR_RETURN(dims.hidden_act, settings.string_or("hidden_act", is_2_5 ? "silu" : "quick_gelu"));
  SACCADE_ASSIGN_OR_RETURN(const int64_t temporal, settings.integer_or("temporal_patch_size", 2, 1, 64));
  if (temporal != kTemporalPatchSize) return unsupported(settings.path() + ": temporal_patch_size is not 2");
  if (dims.width % dims.num_heads != 0)
    return corrupt_data(settings.path() + ": the width is no multiple of the heads");
  dims.image_size = 560;  // pictures have any size; llama.cpp wants a number here and this is what its converter puts
  dims.epsilon = 1e-6;    // fixed in Transformers' code
  return tower;
}

Status write_window_keys(PlanBuilder& builder, const Config& settings) {
  GgufKeys& keys = builder.plan().vision_keys;
  SACCADE_ASSIGN_OR_RETURN(const int64_t window, settings.integer_or("window_size", 112, 1, 1 << 14));
  std::vector<double> blocks = {7, 15, 23, 31};
  if (settings.has("fullatt_block_indexes")) {
    SACCADE_ASSIGN_OR_RETURN(blocks, settings.numbers("fullatt_block_indexes"));
  }
  std::vector<int32_t> indexes;
  for (const double block : blocks) {
    if (block < 0 || block > 1024) return corrupt_data(settings.path() + ": fullatt_block_indexes makes no sense");
    indexes.push_back(static_cast<int32_t>(block));
  }
  if (indexes.empty()) return unsupported(settings.path() + ": no block attends to everything");
  keys.set_u32("clip.vision.window_size", static_cast<uint32_t>(window));
  keys.set_i32s("saccade.vision.full_attention_layers", indexes);
  // llama.cpp knows only every n-th block.
  const int32_t period = indexes.front() + 1;
  for (size_t i = 0; i < indexes.size(); ++i) {
    if (indexes[i] + 1 == period * static_cast<int32_t>(i + 1)) continue;
    builder.warn("fullatt_block_indexes is not regular: llama.cpp will window other blocks");
    break;
  }
  keys.set_u32("clip.vision.n_wa_pattern", static_cast<uint32_t>(period));
  return {};
}

Status write_pixel_keys(PlanBuilder& builder) {
  GgufKeys& keys = builder.plan().vision_keys;
  const Config processor = preprocessor_settings(builder.checkpoint());
  // Transformers 4 had min_pixels and max_pixels; 5 has the same numbers in size.
  SACCADE_ASSIGN_OR_RETURN(const int64_t size_min, nested_integer_or(processor, "size", "shortest_edge", 56 * 56));
  SACCADE_ASSIGN_OR_RETURN(const int64_t size_max,
                           nested_integer_or(processor, "size", "longest_edge", 28 * 28 * 1280));
  SACCADE_ASSIGN_OR_RETURN(const int64_t min, processor.integer_or("min_pixels", size_min, 1, 1 << 30));
  SACCADE_ASSIGN_OR_RETURN(const int64_t max, processor.integer_or("max_pixels", size_max, 1, 1 << 30));
  keys.set_u32("clip.vision.image_min_pixels", static_cast<uint32_t>(min));
  keys.set_u32("clip.vision.image_max_pixels", static_cast<uint32_t>(max));
  return {};
}

// The convolution over two frames becomes one matrix per frame: [E, 3, 2, p, p] to twice [E, 3, p, p].
Status plan_patches(PlanBuilder& builder, const VisionDimensions& dims) {
  const int64_t patch = dims.patch_size;
  const std::array<int64_t, 5> source_dims = {dims.width, 3, kTemporalPatchSize, patch, patch};
  for (int64_t frame = 0; frame < kTemporalPatchSize; ++frame) {
    const auto row_of = [patch, frame](int64_t row) {
      return (row / patch * kTemporalPatchSize + frame) * patch + row % patch;
    };
    SACCADE_RETURN_IF_ERROR(
        builder.gather(kPart, TensorRole::kPatch, frame == 0 ? "v.patch_embd.weight" : "v.patch_embd.weight.1",
                       "vision.patch_embed.proj.weight", source_dims, Shape{dims.width, 3, patch, patch}, row_of));
  }
  return {};
}

// qkv is one matrix of three parts in the checkpoint, three tensors in the file.
Status plan_attention(PlanBuilder& builder, const std::string& target, const std::string& source, int64_t width) {
  constexpr std::array<const char*, 3> kNames = {"attn_q", "attn_k", "attn_v"};
  const std::array<int64_t, 2> weight_dims = {3 * width, width};
  const std::array<int64_t, 1> bias_dims = {3 * width};
  for (size_t i = 0; i < kNames.size(); ++i) {
    const auto row_of = [offset = static_cast<int64_t>(i) * width](int64_t row) { return offset + row; };
    SACCADE_RETURN_IF_ERROR(builder.gather(kPart, TensorRole::kMatrix, target + kNames[i] + ".weight",
                                           source + "attn.qkv.weight", weight_dims, Shape{width, width}, row_of));
    SACCADE_RETURN_IF_ERROR(builder.gather(kPart, TensorRole::kExact, target + kNames[i] + ".bias",
                                           source + "attn.qkv.bias", bias_dims, Shape{width}, row_of));
  }
  return builder.copy_linear(kPart, target + "attn_out", source + "attn.proj", width, width);
}

Status plan_block(PlanBuilder& builder, const Tower& tower, int64_t block) {
  const int64_t width = tower.dims.width;
  const int64_t ffn_dim = tower.dims.ffn_dim;
  const std::string source = format("vision.blocks.%lld.", static_cast<long long>(block));
  const std::string target = format("v.blk.%lld.", static_cast<long long>(block));
  SACCADE_RETURN_IF_ERROR(builder.copy_norm(kPart, target + "ln1", source + "norm1", width));
  SACCADE_RETURN_IF_ERROR(plan_attention(builder, target, source, width));
  SACCADE_RETURN_IF_ERROR(builder.copy_norm(kPart, target + "ln2", source + "norm2", width));
  if (tower.is_2_5) {
    SACCADE_RETURN_IF_ERROR(builder.copy_linear(kPart, target + "ffn_gate", source + "mlp.gate_proj", ffn_dim, width));
  }
  SACCADE_RETURN_IF_ERROR(builder.copy_linear(kPart, target + "ffn_up",
                                              source + (tower.is_2_5 ? "mlp.up_proj" : "mlp.fc1"), ffn_dim, width));
  return builder.copy_linear(kPart, target + "ffn_down", source + (tower.is_2_5 ? "mlp.down_proj" : "mlp.fc2"), width,
                             ffn_dim);
}

Status plan_merger(PlanBuilder& builder, const Tower& tower) {
  const int64_t merged = tower.dims.width * tower.merge_size * tower.merge_size;
  SACCADE_RETURN_IF_ERROR(builder.copy_norm(kPart, "v.post_ln", "vision.merger.ln_q", tower.dims.width));
  SACCADE_RETURN_IF_ERROR(builder.copy_linear(kPart, "mm.0", "vision.merger.mlp.0", merged, merged));
  return builder.copy_linear(kPart, "mm.2", "vision.merger.mlp.2", tower.dims.model_dim, merged);
}

Status plan_vision(PlanBuilder& builder, int64_t model_dim, bool is_2_5) {
  const Config settings = vision_settings(builder.checkpoint());
  SACCADE_ASSIGN_OR_RETURN(Tower tower, read_tower(settings, is_2_5));
  tower.dims.model_dim = model_dim;
  SACCADE_RETURN_IF_ERROR(write_vision_keys(builder, tower.dims, is_2_5 ? "qwen2.5vl_merger" : "qwen2vl_merger"));
  GgufKeys& keys = builder.plan().vision_keys;
  keys.set_u32("clip.vision.spatial_merge_size", static_cast<uint32_t>(tower.merge_size));
  keys.set_string("saccade.vision.projector_act", "gelu");
  if (is_2_5) SACCADE_RETURN_IF_ERROR(write_window_keys(builder, settings));
  SACCADE_RETURN_IF_ERROR(write_pixel_keys(builder));
  SACCADE_RETURN_IF_ERROR(plan_patches(builder, tower.dims));
  for (int64_t block = 0; block < tower.dims.num_blocks; ++block) {
    SACCADE_RETURN_IF_ERROR(plan_block(builder, tower, block));
  }
  return plan_merger(builder, tower);
}

Status plan_with(PlanBuilder& builder, bool is_2_5) {
  const Checkpoint& checkpoint = builder.checkpoint();
  SACCADE_ASSIGN_OR_RETURN(const std::string decoder, text_model_type(checkpoint, is_2_5 ? "qwen2_5_vl" : "qwen2_vl"));
  SACCADE_ASSIGN_OR_RETURN(const int64_t model_dim, plan_language_model(builder, text_settings(checkpoint), decoder));
  return plan_vision(builder, model_dim, is_2_5);
}

Status assume_with(Checkpoint& checkpoint, bool is_2_5) {
  SACCADE_ASSIGN_OR_RETURN(const std::string decoder, text_model_type(checkpoint, is_2_5 ? "qwen2_5_vl" : "qwen2_vl"));
  checkpoint.assume_where([is_2_5](std::string_view name) {
    const bool is_of_norm =
        name.find(".norm") != std::string_view::npos || name.find(".ln_q") != std::string_view::npos;
    return name.starts_with("vision.") && !(is_2_5 && is_of_norm);
  });
  return assume_language_model(checkpoint, text_settings(checkpoint), decoder);
}

Family family_with_prefixes() {
  Family family;
  family.prefixes = {
      {"model.", "lm."},
      {"model.language_model.", "lm."},
      {"visual.", "vision."},
      {"model.visual.", "vision."},
  };
  return family;
}

}  // namespace

Family qwen2_vl_family() {
  Family family = family_with_prefixes();
  family.name = "qwen2_vl";
  family.architectures = {"Qwen2VLForConditionalGeneration"};
  family.model_types = {"qwen2_vl"};
  family.plan = [](PlanBuilder& builder) { return plan_with(builder, /*is_2_5=*/false); };
  family.assume = [](Checkpoint& checkpoint) { return assume_with(checkpoint, /*is_2_5=*/false); };
  return family;
}

Family qwen2_5_vl_family() {
  Family family = family_with_prefixes();
  family.name = "qwen2_5_vl";
  family.architectures = {"Qwen2_5_VLForConditionalGeneration"};
  family.model_types = {"qwen2_5_vl"};
  family.plan = [](PlanBuilder& builder) { return plan_with(builder, /*is_2_5=*/true); };
  family.assume = [](Checkpoint& checkpoint) { return assume_with(checkpoint, /*is_2_5=*/true); };
  return family;
}

}  // namespace saccade
