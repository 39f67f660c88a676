#include "encoder/vision_config.h"

#include <array>
#include <vector>

#include "base/format.h"

namespace saccade {
namespace {

Expected<std::array<float, 3>> read_channels(const Metadata& metadata, const char* key, bool is_divisor) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<double> values, metadata.numbers(key));
  if (values.size() != 3) return corrupt_data(format("key %s has %zu values, not 3", key, values.size()));
  std::array<float, 3> channels = {};
  for (size_t i = 0; i < 3; ++i) {
    channels[i] = static_cast<float>(values[i]);
    const bool is_usable = channels[i] > -1e6F && channels[i] < 1e6F && (!is_divisor || channels[i] > 1e-6F);
    if (!is_usable) return corrupt_data(format("key %s has the unusable value %g", key, values[i]));
  }
  return channels;
}

// By Hugging Face's names, which saccade.vision.hidden_act keeps, or by llama.cpp's two flags.
Expected<Activation> read_activation(const Metadata& metadata, Activation plain_gelu) {
  constexpr const char* kKey = "saccade.vision.hidden_act";
  if (metadata.has(kKey)) {
    SACCADE_ASSIGN_OR_RETURN(const std::string name, metadata.string(kKey));
    if (name == "gelu") return Activation::kGelu;
    if (name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
    if (name == "quick_gelu") return Activation::kQuickGelu;
    if (name == "silu") return Activation::kSilu;
    return unsupported(
        format("key %s is %s; known are gelu, gelu_pytorch_tanh, quick_gelu, silu", kKey, quote(name).c_str()));
  }
  SACCADE_ASSIGN_OR_RETURN(const bool use_gelu, metadata.boolean_or("clip.use_gelu", false));
  SACCADE_ASSIGN_OR_RETURN(const bool use_silu, metadata.boolean_or("clip.use_silu", false));
  if (use_gelu && use_silu) return corrupt_data("keys clip.use_gelu and clip.use_silu are both true");
  if (use_silu) return Activation::kSilu;
  return use_gelu ? plain_gelu : Activation::kQuickGelu;
}

}  // namespace

Expected<VisionConfig> read_vision_config(const Metadata& metadata, Activation plain_gelu) {
  VisionConfig config;
  SACCADE_ASSIGN_OR_RETURN(config.vision_dim, metadata.integer("clip.vision.embedding_length", 1, 1 << 16));
  SACCADE_ASSIGN_OR_RETURN(config.num_heads, metadata.integer("clip.vision.attention.head_count", 1, 1 << 12));
  SACCADE_ASSIGN_OR_RETURN(config.ffn_dim, metadata.integer_or("clip.vision.feed_forward_length", 0, 0, 1 << 20));
  SACCADE_ASSIGN_OR_RETURN(const int64_t num_layers, metadata.integer("clip.vision.block_count", 1, 1 << 10));
  SACCADE_ASSIGN_OR_RETURN(const double epsilon, metadata.number("clip.vision.attention.layer_norm_epsilon"));
  SACCADE_ASSIGN_OR_RETURN(const int64_t image_size, metadata.integer("clip.vision.image_size", 1, 1 << 14));
  SACCADE_ASSIGN_OR_RETURN(const int64_t patch_size, metadata.integer("clip.vision.patch_size", 1, 1 << 10));
  SACCADE_ASSIGN_OR_RETURN(config.normalization.mean, read_channels(metadata, "clip.vision.image_mean", false));
  SACCADE_ASSIGN_OR_RETURN(config.normalization.std, read_channels(metadata, "clip.vision.image_std", true));
  SACCADE_ASSIGN_OR_RETURN(config.activation, read_activation(metadata, plain_gelu));
  config.num_layers = static_cast<int>(num_layers);
  config.norm_epsilon = static_cast<float>(epsilon);
  config.image_size = static_cast<int>(image_size);
  config.patch_size = static_cast<int>(patch_size);
  if (config.vision_dim % config.num_heads != 0) {
    return corrupt_data(format("key clip.vision.embedding_length is %lld, which %lld heads do not divide",
                               static_cast<long long>(config.vision_dim), static_cast<long long>(config.num_heads)));
  }
  if (!(epsilon >= 0 && epsilon < 1)) {
    return corrupt_data(format("key clip.vision.attention.layer_norm_epsilon has the unusable value %g", epsilon));
  }
  return config;
}

Expected<int64_t> patches_per_side(const VisionConfig& config) {
  if (config.image_size % config.patch_size != 0) {
    return corrupt_data(format("key clip.vision.image_size is %d, not a multiple of clip.vision.patch_size %d",
                               config.image_size, config.patch_size));
  }
  return static_cast<int64_t>(config.image_size / config.patch_size);
}

Expected<ResizeFilter> read_resize_filter(const Metadata& metadata, ResizeFilter fallback) {
  constexpr const char* kKey = "saccade.vision.resample";
  if (!metadata.has(kKey)) return fallback;
  SACCADE_ASSIGN_OR_RETURN(const std::string name, metadata.string(kKey));
  if (name == "bilinear") return ResizeFilter::kBilinear;
  if (name == "bicubic") return ResizeFilter::kBicubic;
  if (name == "lanczos") return ResizeFilter::kLanczos;
  return unsupported(format("key %s is %s; known are bilinear, bicubic, lanczos", kKey, quote(name).c_str()));
}

uint64_t count_vision_parameters(const GgufFile& file) {
  uint64_t count = 0;
  for (const NamedTensor& tensor : file.tensors()) {
    const bool is_vision =
        tensor.name.starts_with("v.") || tensor.name.starts_with("mm.") || tensor.name == "model.image_newline";
    if (is_vision) count += static_cast<uint64_t>(tensor.view.shape.num_elements());
  }
  return count;
}

}  // namespace saccade
