// A vision transformer over square tiles: CLIP (LLaVA) and SigLIP (SmolVLM).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "encoder/encode_plan.h"
#include "encoder/norm_layer.h"
#include "encoder/patch_embedding.h"
#include "encoder/tower_run.h"
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

/// The patches of one tile that go through the tower, or come out of it.
struct TilePatches {
  std::vector<int32_t> patches;  // counted row by row in the tile, ascending
  std::vector<float> weights;    // how many each stands for, [num_patches]; empty: 1 each
};

/// All patches of `num_tiles` tiles of side x side patches.
std::vector<TilePatches> all_patches(int64_t num_tiles, int64_t side);

/// A patch that was merged into another of its tile.
struct MergedPatch {
  int32_t patch = 0;
  int32_t target = 0;
};

struct TileFeatures {
  Tensor rows;                                   // [num_rows, vision_dim], tile by tile
  std::vector<TilePatches> tiles;                // what the rows are
  std::vector<std::vector<MergedPatch>> merged;  // of each tile
  std::vector<float> attention;                  // [num_rows], and
  Tensor keys;                                   // [num_rows, vision_dim], as in TowerResult
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

  int num_layers() const { return static_cast<int>(blocks_.size()); }
  /// Of the tiles it was trained on.
  int64_t patches_per_side() const { return side_; }
  int patch_size() const { return config_.patch_size; }
  /// Of tiles of `tile`'s size: any square of whole patches. The learnt positions are interpolated where it is another
  /// than the trained one. Errors: kInvalidArgument.
  Expected<int64_t> patches_per_side(ImageSize tile) const;

  /// Multiply-adds of encode().
  double work(const std::vector<TilePatches>& tiles, const EncodePlan& plan) const;

  /// Those `patches` of the tiles that are to be seen, tiles in order; a tile without any is not run at all. Rows come
  /// out tile by tile, class rows dropped. Of `plan`, the mask and the weights are the caller's business. Adds work()
  /// to `progress`. Errors: kCancelled. The tiles are of patches_per_side() patches.
  Expected<TileFeatures> encode(const PixelBatch& pixels, std::vector<TilePatches> patches, const EncodePlan& plan,
                                MergedRows merged, ThreadPool& pool, WorkProgress& progress) const;

 private:
  struct Group;  // tiles that go through the blocks together
  int64_t num_class_rows() const { return class_row_.is_empty() ? 0 : 1; }
  TowerBlocks tower_blocks() const { return {.blocks = blocks_, .is_windowed = {}}; }
  Tensor positions_for(int64_t side) const;
  Expected<TowerRows> embed_tiles(const PixelBatch& pixels, const Tensor& positions, const Group& group,
                                  ThreadPool& pool, WorkProgress& progress) const;
  Expected<TowerResult> run_group(const PixelBatch& pixels, const Tensor& positions, const Group& group,
                                  const EncodePlan& plan, MergedRows merged, ThreadPool& pool,
                                  WorkProgress& progress) const;
  TileFeatures collect(std::span<const Group> groups, std::span<const TowerResult> results) const;

  VisionConfig config_;
  int64_t side_ = 0;
  PatchEmbedding patch_embedding_;
  Tensor class_row_;      // [vision_dim], or empty
  Tensor position_rows_;  // [num_patches (+ 1 for the class row, first), vision_dim]
  std::optional<NormLayer> input_norm_;
  std::optional<NormLayer> output_norm_;
  std::vector<VitBlock> blocks_;
};

}  // namespace saccade
