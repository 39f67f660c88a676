#include "encoder/tile_tower.h"

#include <algorithm>

#include "base/format.h"

namespace saccade {
namespace {

// Tiles that go through the blocks together: the linear layers work on many rows at once, while a picture of 17 tiles
// needs no more memory than one of 4.
constexpr int64_t kTilesPerGroup = 4;

}  // namespace

Expected<TileTower> TileTower::load(const TensorSource& tensors, const VisionConfig& config,
                                    const TileTowerOptions& options) {
  const int64_t dim = config.vision_dim;
  TileTower tower;
  tower.config_ = config;
  SACCADE_ASSIGN_OR_RETURN(tower.side_, saccade::patches_per_side(config));
  SACCADE_ASSIGN_OR_RETURN(tower.patch_embedding_, PatchEmbedding::load(tensors, config, false));
  SACCADE_ASSIGN_OR_RETURN(tower.class_row_, tensors.take_as_f32_if_present("v.class_embd", Shape{dim}));
  const int64_t num_rows = tower.num_patches() + (tower.class_row_.is_empty() ? 0 : 1);
  SACCADE_ASSIGN_OR_RETURN(tower.position_rows_, tensors.take_as_f32("v.position_embd.weight", Shape{num_rows, dim}));
  if (tensors.has("v.pre_ln.weight")) {
    SACCADE_ASSIGN_OR_RETURN(tower.input_norm_,
                             load_norm(tensors, "v.pre_ln", NormKind::kLayerNorm, dim, config.norm_epsilon));
  }
  if (options.has_output_norm) {
    SACCADE_ASSIGN_OR_RETURN(tower.output_norm_,
                             load_norm(tensors, "v.post_ln", NormKind::kLayerNorm, dim, config.norm_epsilon));
  }
  VitBlockOptions block_options;
  block_options.has_legacy_ffn_names = options.has_legacy_ffn_names;
  for (int i = 0; i < options.num_blocks; ++i) {
    SACCADE_ASSIGN_OR_RETURN(VitBlock block, load_vit_block(tensors, i, config, block_options));
    tower.blocks_.push_back(std::move(block));
  }
  SACCADE_RETURN_IF_ERROR(tensors.check_all_taken("v.blk."));
  for (int64_t y = 0; y < tower.side_; ++y) {
    for (int64_t x = 0; x < tower.side_; ++x) tower.positions_.push_back({y, x});
  }
  return tower;
}

void TileTower::pack_weights(ThreadPool& pool) {
  for (VitBlock& block : blocks_) saccade::pack_weights(pool, block);
}

// [num_tiles * rows of a tile, vision_dim]: patch vectors, each tile's class row first, positions added, normed.
Tensor TileTower::embed_tiles(const PixelBatch& pixels, int64_t first_tile, int64_t num_tiles, ThreadPool& pool) const {
  const int64_t dim = config_.vision_dim;
  const int64_t rows_per_tile = position_rows_.shape()[0];
  const int64_t num_class_rows = rows_per_tile - num_patches();
  const int64_t tile_elements = 3 * int64_t{pixels.height()} * pixels.width();
  Tensor hidden(Shape{num_tiles * rows_per_tile, dim});
  for (int64_t tile = 0; tile < num_tiles; ++tile) {
    float* rows = hidden.row(tile * rows_per_tile).data();
    if (num_class_rows != 0) std::copy_n(class_row_.floats().data(), dim, rows);
    const float* source = pixels.pixels.floats().data() + (first_tile + tile) * tile_elements;
    patch_embedding_.embed(pool, source, pixels.height(), pixels.width(), positions_, rows + num_class_rows * dim);
    const std::span<const float> positions = position_rows_.floats();
    for (size_t i = 0; i < positions.size(); ++i) rows[i] += positions[i];
  }
  float* x = hidden.floats().data();
  if (input_norm_) apply_norm(pool, *input_norm_, x, hidden.shape()[0], x);
  return hidden;
}

double TileTower::work(int64_t num_tiles) const {
  const RowRange tile = {0, position_rows_.shape()[0]};
  double work_per_tile = 0;
  for (const VitBlock& block : blocks_) work_per_tile += block_work(block, {&tile, 1});
  return static_cast<double>(num_tiles) * work_per_tile;
}

Expected<Tensor> TileTower::encode(const PixelBatch& pixels, ThreadPool& pool, WorkProgress& progress) const {
  if (pixels.width() != config_.image_size || pixels.height() != config_.image_size) {
    return invalid_argument(format("a tile of %d x %d pixels, where the model takes %d x %d", pixels.width(),
                                   pixels.height(), config_.image_size, config_.image_size));
  }
  const int64_t dim = config_.vision_dim;
  const int64_t num_tiles = pixels.num_tiles();
  const int64_t rows_per_tile = position_rows_.shape()[0];
  Tensor output(Shape{num_tiles * num_patches(), dim});
  for (int64_t first = 0; first < num_tiles; first += kTilesPerGroup) {
    const int64_t group_tiles = std::min(kTilesPerGroup, num_tiles - first);
    Tensor hidden = embed_tiles(pixels, first, group_tiles, pool);
    std::vector<RowRange> ranges;
    for (int64_t tile = 0; tile < group_tiles; ++tile) {
      ranges.push_back({tile * rows_per_tile, (tile + 1) * rows_per_tile});
    }
    if (!blocks_.empty()) {
      VitWorkspace workspace(hidden.shape()[0], blocks_.front());
      for (const VitBlock& block : blocks_) {
        SACCADE_RETURN_IF_ERROR(run_vit_block(pool, block, ranges, nullptr, workspace, hidden, progress));
      }
    }
    float* x = hidden.floats().data();
    if (output_norm_) apply_norm(pool, *output_norm_, x, hidden.shape()[0], x);
    for (int64_t tile = 0; tile < group_tiles; ++tile) {
      const float* patches = hidden.row((tile + 1) * rows_per_tile - num_patches()).data();
      std::copy_n(patches, num_patches() * dim, output.row((first + tile) * num_patches()).data());
    }
  }
  return output;
}

}  // namespace saccade
