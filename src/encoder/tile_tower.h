// A vision transformer over square tiles of one fixed size: CLIP (LLaVA) and SigLIP (SmolVLM).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "encoder/norm_layer.h"
#include "encoder/patch_embedding.h"
#include "encoder/vision_config.h"
#include "encoder/vit_block.h"
#include "media/pixel_batch.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/model_files.h"

namespace saccade {

struct TileTowerOptions {
  int num_blocks = 0;            // how many blocks run, from the first
  bool has_output_norm = false;  // v.post_ln is part of what the projector is given
  bool has_legacy_ffn_names = false;
};

class TileTower {
 public:
  /// Patch embedding, learnt positions, blocks; a class row (v.class_embd) and a norm in front (v.pre_ln) where the
  /// file has them. Errors name the tensor or key.
  static Expected<TileTower> load(const TensorSource& tensors, const VisionConfig& config,
                                  const TileTowerOptions& options);

  /// Packs the blocks' weights for the active ISA.
  void pack_weights(ThreadPool& pool);

  /// The type of most of its weights.
  DType main_dtype() const { return blocks_.empty() ? DType::kF32 : blocks_.front().up.weight.dtype(); }

  int64_t vision_dim() const { return config_.vision_dim; }
  int64_t patches_per_side() const { return side_; }
  int64_t num_patches() const { return side_ * side_; }

  /// Multiply-adds of encode()'s blocks.
  double work(int64_t num_tiles) const;

  /// All tiles to [num_tiles * num_patches, vision_dim], tiles in order, patches row by row, class rows dropped. Adds
  /// work() to `progress`. Errors: kInvalidArgument (tiles of another size than the model's), kCancelled.
  Expected<Tensor> encode(const PixelBatch& pixels, ThreadPool& pool, WorkProgress& progress) const;

 private:
  Tensor embed_tiles(const PixelBatch& pixels, int64_t first_tile, int64_t num_tiles, ThreadPool& pool) const;

  VisionConfig config_;
  int64_t side_ = 0;
  PatchEmbedding patch_embedding_;
  std::vector<PatchPosition> positions_;  // row by row
  Tensor class_row_;                      // [vision_dim], or empty
  Tensor position_rows_;                  // [num_patches (+ 1 for the class row, first), vision_dim]
  std::optional<NormLayer> input_norm_;
  std::optional<NormLayer> output_norm_;
  std::vector<VitBlock> blocks_;
};

}  // namespace saccade
