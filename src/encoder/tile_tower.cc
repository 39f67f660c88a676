#include "encoder/tile_tower.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "base/format.h"
#include "encoder/gather_rows.h"
#include "encoder/position_grid.h"

namespace saccade {
namespace {

// Whole tiles of the trained size whose rows go through the blocks together: the linear layers work on many rows at
// once, while a picture of 17 tiles needs no more memory than one of 4.
constexpr int64_t kTilesPerGroup = 4;

}  // namespace

std::vector<TilePatches> all_patches(int64_t num_tiles, int64_t side) {
  TilePatches tile;
  tile.patches.resize(static_cast<size_t>(side * side));
  std::iota(tile.patches.begin(), tile.patches.end(), 0);
  return std::vector<TilePatches>(static_cast<size_t>(num_tiles), tile);
}

struct TileTower::Group {
  int64_t first_tile = 0;
  std::span<const TilePatches> tiles;  // some may have no patches
};

Expected<TileTower> TileTower::load(const TensorSource& tensors, const VisionConfig& config,
                                    const TileTowerOptions& options) {
  const int64_t dim = config.vision_dim;
  TileTower tower;
  tower.config_ = config;
  SACCADE_ASSIGN_OR_RETURN(tower.side_, saccade::patches_per_side(config));
  SACCADE_ASSIGN_OR_RETURN(tower.patch_embedding_, PatchEmbedding::load(tensors, config, false));
  SACCADE_ASSIGN_OR_RETURN(tower.class_row_, tensors.take_as_f32_if_present("v.class_embd", Shape{dim}));
  const int64_t num_rows = tower.side_ * tower.side_ + tower.num_class_rows();
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
  return tower;
}

void TileTower::pack_weights(ThreadPool& pool) {
  for (VitBlock& block : blocks_) saccade::pack_weights(pool, block);
}

Expected<int64_t> TileTower::patches_per_side(ImageSize tile) const {
  const int patch = config_.patch_size;
  if (tile.width == tile.height && tile.width >= patch && tile.width % patch == 0) return int64_t{tile.width / patch};
  return invalid_argument(format("a tile of %d x %d pixels, where the model takes squares of whole patches of %d x %d",
                                 tile.width, tile.height, patch, patch));
}

// Of the class row, where there is one, and of the patches of a tile.
Tensor TileTower::positions_for(int64_t side) const {
  if (side == side_) return position_rows_.clone();
  const Tensor trained = copy_rows(position_rows_, num_class_rows(), side_ * side_);
  const Tensor patches = interpolate_positions(trained, side_, side);
  Tensor rows(Shape{num_class_rows() + side * side, config_.vision_dim});
  std::ranges::copy(position_rows_.floats().first(static_cast<size_t>(num_class_rows() * config_.vision_dim)),
                    rows.floats().begin());
  std::ranges::copy(patches.floats(), rows.row(num_class_rows()).begin());
  return rows;
}

double TileTower::work(const std::vector<TilePatches>& tiles, const EncodePlan& plan) const {
  std::vector<RowTile> rows;
  double work = 0;
  for (const TilePatches& tile : tiles) {
    if (tile.patches.empty()) continue;
    const auto num_patches = static_cast<int64_t>(tile.patches.size());
    rows.push_back({{{0, num_class_rows() + num_patches}}});
    work += static_cast<double>(num_patches) * patch_embedding_.work_per_patch();
  }
  return work + tower_work(tower_blocks(), rows, num_class_rows(), plan);
}

// Patch vectors, each tile's class row first, positions added, normed.
Expected<TowerRows> TileTower::embed_tiles(const PixelBatch& pixels, const Tensor& positions, const Group& group,
                                           ThreadPool& pool, WorkProgress& progress) const {
  const int64_t dim = config_.vision_dim;
  const int64_t side = pixels.width() / config_.patch_size;
  const int64_t tile_elements = 3 * int64_t{pixels.height()} * pixels.width();
  TowerRows rows;
  rows.num_class_rows = num_class_rows();
  int64_t num_rows = 0;
  bool has_weights = false;
  for (const TilePatches& tile : group.tiles) {
    if (tile.patches.empty()) continue;
    const int64_t end = num_rows + num_class_rows() + static_cast<int64_t>(tile.patches.size());
    rows.tiles.push_back({{{num_rows, end}}});
    num_rows = end;
    has_weights = has_weights || !tile.weights.empty();
  }
  rows.hidden = Tensor(Shape{num_rows, dim});
  if (has_weights) rows.sizes.assign(static_cast<size_t>(num_rows), 1.0F);
  int64_t row = 0;
  for (size_t i = 0; i < group.tiles.size(); ++i) {
    const TilePatches& tile = group.tiles[i];
    if (tile.patches.empty()) continue;
    const auto num_patches = static_cast<int64_t>(tile.patches.size());
    if (num_class_rows() != 0) std::ranges::copy(class_row_.floats(), rows.hidden.row(row).begin());
    std::vector<int32_t> places(static_cast<size_t>(num_class_rows()), 0);  // rows of `positions`
    std::vector<PatchPosition> patches;
    for (const int32_t patch : tile.patches) {
      places.push_back(patch + static_cast<int32_t>(num_class_rows()));
      patches.push_back({patch / side, patch % side});
    }
    const float* source = pixels.pixels.floats().data() + (group.first_tile + static_cast<int64_t>(i)) * tile_elements;
    patch_embedding_.embed(pool, source, pixels.height(), pixels.width(), patches,
                           rows.hidden.row(row + num_class_rows()).data());
    SACCADE_RETURN_IF_ERROR(progress.add(static_cast<double>(num_patches) * patch_embedding_.work_per_patch()));
    std::ranges::copy(tile.weights, rows.sizes.begin() + row + num_class_rows());
    for (const int32_t place : places) {
      const std::span<const float> position = positions.row(place);
      const std::span<float> target = rows.hidden.row(row++);
      for (size_t col = 0; col < target.size(); ++col) target[col] += position[col];
    }
  }
  float* x = rows.hidden.floats().data();
  if (input_norm_) apply_norm(pool, *input_norm_, x, num_rows, x);
  return rows;
}

Expected<TowerResult> TileTower::run_group(const PixelBatch& pixels, const Tensor& positions, const Group& group,
                                           const EncodePlan& plan, MergedRows merged, ThreadPool& pool,
                                           WorkProgress& progress) const {
  SACCADE_ASSIGN_OR_RETURN(TowerRows rows, embed_tiles(pixels, positions, group, pool, progress));
  const TowerBlocks blocks = tower_blocks();
  SACCADE_ASSIGN_OR_RETURN(TowerResult result, run_tower(blocks, std::move(rows), plan, merged, pool, progress));
  float* x = result.hidden.floats().data();
  if (output_norm_) apply_norm(pool, *output_norm_, x, result.hidden.shape()[0], x);
  return result;
}

Expected<TileFeatures> TileTower::encode(const PixelBatch& pixels, std::vector<TilePatches> patches,
                                         const EncodePlan& plan, MergedRows merged, ThreadPool& pool,
                                         WorkProgress& progress) const {
  const Tensor positions = positions_for(pixels.width() / config_.patch_size);
  const int64_t max_rows = kTilesPerGroup * position_rows_.shape()[0];
  std::vector<TowerResult> results;
  std::vector<Group> groups;
  for (size_t first = 0; first < patches.size();) {
    size_t end = first;
    int64_t num_rows = 0;
    while (end < patches.size()) {
      const auto num_patches = static_cast<int64_t>(patches[end].patches.size());
      const int64_t num_of_tile = num_patches == 0 ? 0 : num_patches + num_class_rows();
      if (num_rows > 0 && num_rows + num_of_tile > max_rows) break;
      num_rows += num_of_tile;
      ++end;
    }
    groups.push_back({static_cast<int64_t>(first), std::span(patches).subspan(first, end - first)});
    SACCADE_ASSIGN_OR_RETURN(TowerResult result,
                             run_group(pixels, positions, groups.back(), plan, merged, pool, progress));
    results.push_back(std::move(result));
    first = end;
  }
  return collect(groups, results);
}

// The patches that are left, class rows dropped.
TileFeatures TileTower::collect(std::span<const Group> groups, std::span<const TowerResult> results) const {
  int64_t num_rows = 0;
  for (const TowerResult& result : results) num_rows += result.hidden.shape()[0];
  for (const Group& group : groups) {
    const auto num_tiles = std::ranges::count_if(group.tiles, [](const auto& tile) { return !tile.patches.empty(); });
    num_rows -= num_tiles * num_class_rows();
  }
  const int64_t dim = config_.vision_dim;
  const bool has_keys = std::ranges::any_of(results, [](const auto& result) { return !result.keys.is_empty(); });
  TileFeatures features;
  features.rows = Tensor(Shape{num_rows, dim});
  if (has_keys) features.keys = Tensor(Shape{num_rows, dim});
  int64_t target = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    const TowerResult& result = results[i];
    int64_t first_row = 0;  // of a tile, among the rows that went in
    size_t row = 0;         // of the result
    for (const TilePatches& tile : groups[i].tiles) {
      TilePatches& left = features.tiles.emplace_back();
      std::vector<MergedPatch>& merged = features.merged.emplace_back();
      if (tile.patches.empty()) continue;
      const int64_t first_patch = first_row + num_class_rows();
      const int64_t end = first_patch + static_cast<int64_t>(tile.patches.size());
      for (; row < result.origins.size() && result.origins[row] < end; ++row) {
        const int64_t origin = result.origins[row];
        if (origin < first_patch) continue;  // the class row
        left.patches.push_back(tile.patches[static_cast<size_t>(origin - first_patch)]);
        if (!result.sizes.empty()) left.weights.push_back(result.sizes[row]);
        if (!result.attention.empty()) features.attention.push_back(result.attention[row]);
        const auto source = static_cast<int64_t>(row);
        std::ranges::copy(result.hidden.row(source), features.rows.row(target).begin());
        if (has_keys) std::ranges::copy(result.keys.row(source), features.keys.row(target).begin());
        ++target;
      }
      for (int64_t origin = first_patch; origin < end; ++origin) {
        const int64_t into = result.origins[static_cast<size_t>(result.targets[static_cast<size_t>(origin)])];
        if (into == origin) continue;
        merged.push_back({tile.patches[static_cast<size_t>(origin - first_patch)],
                          tile.patches[static_cast<size_t>(into - first_patch)]});
      }
      first_row = end;
    }
  }
  return features;
}

}  // namespace saccade
