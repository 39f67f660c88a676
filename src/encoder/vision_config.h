// The clip.vision.* keys that every family's file has, read and checked once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/activation.h"
#include "media/pixel_batch.h"
#include "saccade/status.h"
#include "weights/metadata.h"
#include "weights/model_files.h"

namespace saccade {

struct VisionConfig {
  int64_t vision_dim = 0;
  int64_t num_heads = 0;
  int64_t ffn_dim = 0;  // 0 in files that do not say: the tensors tell
  int num_layers = 0;   // as the file states it; how many of them run is the family's business
  float norm_epsilon = 0;
  int image_size = 0;  // pixels a side of a tile; no more than a hint where the resolution is dynamic
  int patch_size = 0;
  Activation activation = Activation::kQuickGelu;
  Normalization normalization;

  int64_t head_dim() const { return vision_dim / num_heads; }
};

/// `plain_gelu` is what clip.use_gelu means in files of this family that lack saccade.vision.hidden_act: llama.cpp has
/// one flag for what Hugging Face calls "gelu" (erf) in CLIP towers and "gelu_pytorch_tanh" in SigLIP's. Errors name
/// the key.
Expected<VisionConfig> read_vision_config(const Metadata& metadata, Activation plain_gelu);

/// Patches along a side of a square tile. Errors: kCorruptData when the patches do not fill it.
Expected<int64_t> patches_per_side(const VisionConfig& config);

/// saccade.vision.resample, or the family's own filter in files without it.
Expected<ResizeFilter> read_resize_filter(const Metadata& metadata, ResizeFilter fallback);

/// Elements of the tensors of the vision tower and the projector in this file.
uint64_t count_vision_parameters(const GgufFile& file);

}  // namespace saccade
