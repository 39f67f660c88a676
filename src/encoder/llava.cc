// LLaVA-1.5 and 1.6: a CLIP tower without its last block, a two-layer projector; in 1.6 tiles of the best fitting
// resolution, their padding removed, a newline vector after each row of patches.
#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/format.h"
#include "encoder/anyres_packing.h"
#include "encoder/families.h"
#include "encoder/projector_mlp.h"
#include "encoder/tile_tower.h"
#include "encoder/token_grid.h"
#include "platform/clock.h"

namespace saccade {
namespace {

constexpr const char* kResizeModeKey = "saccade.vision.resize_mode";
constexpr const char* kFeatureLayerKey = "clip.vision.feature_layer";

// How many blocks make the features, hidden_states[-2] of the checkpoint's tower. Our files name the layer. Others
// leave it open: llama.cpp's old converter removed the last block and counts the rest, some files hold all. A count
// that is the depth of a published tower means all are there.
Expected<int> num_feature_blocks(const Metadata& metadata, const TensorSource& tensors, int block_count) {
  if (metadata.has(kFeatureLayerKey)) {
    SACCADE_ASSIGN_OR_RETURN(const std::vector<int64_t> layers, metadata.integers(kFeatureLayerKey));
    if (layers.size() != 1) {
      return unsupported(format("key %s names %zu layers; one is supported", kFeatureLayerKey, layers.size()));
    }
    if (layers[0] < 1 || layers[0] > block_count) {
      return corrupt_data(format("key %s is %lld, outside 1 to clip.vision.block_count %d", kFeatureLayerKey,
                                 static_cast<long long>(layers[0]), block_count));
    }
    return static_cast<int>(layers[0]);
  }
  constexpr std::array kTowerDepths = {12, 24, 27, 32, 40, 48};  // ViT-B, ViT-L, SigLIP so400m, ViT-H, ViT-g, ViT-G
  const bool is_known_depth = std::ranges::find(kTowerDepths, block_count) != kTowerDepths.end();
  const bool has_more = tensors.has(format("v.blk.%d.attn_out.weight", block_count));
  return is_known_depth && !has_more ? block_count - 1 : block_count;
}

// The blocks behind the features, which some files hold and no answer needs: up to the count, or, in files that leave
// the layer open, one more than they count.
void leave_out_last_blocks(const Metadata& metadata, const TensorSource& tensors, int num_blocks, int block_count) {
  const int end = metadata.has(kFeatureLayerKey) ? block_count : block_count + 1;
  for (int i = num_blocks; i < end; ++i) tensors.leave_out(format("v.blk.%d.", i));
}

// Files of llama.cpp's first converter, which swapped the names of the two layers of an MLP.
bool has_legacy_names(const Metadata& metadata) {
  return metadata.has("clip.has_llava_projector");
}

Expected<std::vector<ImageSize>> read_pinpoints(const Metadata& metadata, int tile_size) {
  constexpr const char* kKey = "clip.vision.image_grid_pinpoints";
  std::vector<ImageSize> pinpoints;
  if (!metadata.has(kKey)) return pinpoints;
  SACCADE_ASSIGN_OR_RETURN(const std::vector<int64_t> sides, metadata.integers(kKey));
  if (sides.size() % 2 != 0) return corrupt_data(format("key %s has an odd number of values", kKey));
  // Transformers' lists, which our converter copies, are of (height, width); the original LLaVA's of (width, height).
  const bool has_height_first = metadata.has(kResizeModeKey);
  for (size_t i = 0; i < sides.size(); i += 2) {
    for (const int64_t side : {sides[i], sides[i + 1]}) {
      if (side < tile_size || side > 1 << 14 || side % tile_size != 0) {
        return corrupt_data(format("key %s has a side of %lld, not a multiple of clip.vision.image_size %d", kKey,
                                   static_cast<long long>(side), tile_size));
      }
    }
    const auto first = static_cast<int>(sides[i]);
    const auto second = static_cast<int>(sides[i + 1]);
    pinpoints.push_back(has_height_first ? ImageSize{second, first} : ImageSize{first, second});
  }
  return pinpoints;
}

Expected<PixelSpec> read_pixel_spec(const Metadata& metadata, const VisionConfig& config) {
  SACCADE_ASSIGN_OR_RETURN(const ResizeFilter filter, read_resize_filter(metadata, ResizeFilter::kBicubic));
  SACCADE_ASSIGN_OR_RETURN(std::vector<ImageSize> pinpoints, read_pinpoints(metadata, config.image_size));
  const char* mode_of_others = pinpoints.empty() ? "pad" : "anyres";
  SACCADE_ASSIGN_OR_RETURN(const std::string mode, metadata.string_or(kResizeModeKey, mode_of_others));
  if (mode == "anyres") {
    if (pinpoints.empty()) return not_found("key clip.vision.image_grid_pinpoints is missing or empty");
    return PixelSpec(AnyResolutionSpec{config.image_size, std::move(pinpoints), filter, config.normalization});
  }
  if (mode == "pad" || mode == "crop") {
    return PixelSpec(SquareSpec{config.image_size, mode == "pad", filter, config.normalization});
  }
  return unsupported(format("key %s is %s; known are pad, crop, anyres", kResizeModeKey, quote(mode).c_str()));
}

// Which rows of the tower the projector gets: the patches. Checkpoints that pass the class row on as well (or drop a
// patch for want of one) are not supported.
Status check_feature_select(const Metadata& metadata, const TensorSource& tensors) {
  constexpr const char* kKey = "saccade.vision.feature_select";
  if (!metadata.has(kKey)) return {};
  SACCADE_ASSIGN_OR_RETURN(const std::string select, metadata.string(kKey));
  const char* patches_only = tensors.has("v.class_embd") ? "default" : "full";
  if (select == patches_only) return {};
  return unsupported(
      format("key %s is %s; only %s is supported with this tower", kKey, quote(select).c_str(), patches_only));
}

constexpr int32_t kNoRow = -1;

/// Tiles besides the view of the whole picture, which is the first tile.
struct TileGrid {
  int rows = 0;
  int cols = 0;
};

/// `layout`: a PixelLayout or a PixelBatch.
template <typename Layout>
TileGrid tile_grid(const Layout& layout) {
  return layout.has_global_view ? TileGrid{layout.grid_rows, layout.grid_cols} : TileGrid{};
}

/// Which patch of which tile each token is.
struct TokenMap {
  int64_t side = 0;                // patches along a tile's
  std::vector<TokenGrid> grids;    // the view of the whole picture first
  std::vector<TilePatch> patches;  // [tokens of all grids]: or kNewline
};

class Llava : public VisionEncoder {
 public:
  static Expected<VisionEncoderPtr> load(const ModelFiles& files, int64_t model_dim);

  std::string family() const override { return "llava"; }
  const PixelSpec& pixel_spec() const override { return pixel_spec_; }
  bool has_2d_positions() const override { return false; }
  std::string image_marker() const override { return "<image>"; }
  std::string image_placeholder() const override { return "<image>"; }
  ControlTokens control_tokens() const override { return {}; }
  uint64_t num_parameters() const override { return num_parameters_; }
  DType main_dtype() const override { return tower_.main_dtype(); }
  void pack_weights(ThreadPool& pool) override {
    tower_.pack_weights(pool);
    projector_.pack_weights(pool);
  }

  int num_layers() const override { return tower_.num_layers(); }

  using VisionEncoder::layout;
  int cell_side() const override { return tower_.patch_size(); }
  std::vector<int32_t> token_cells(ImageSize original, const PixelLayout& layout) const override;
  Expected<std::vector<LayoutPiece>> layout(ImageSize original, const PixelSpec& spec) const override;
  Expected<std::vector<MediaPiece>> encode(const PixelBatch& pixels, const EncodePlan& plan, ThreadPool& pool,
                                           EncodeTrace& trace, const ProgressFunction& progress) const override;

 private:
  explicit Llava(const ModelFiles& files) : files_(files) {}
  Status load_newline(const TensorSource& tensors, int64_t model_dim);
  bool has_rows_packed() const { return !newline_.is_empty(); }
  Status check_tiles(const PixelBatch& pixels) const;
  TokenMap map_tokens(int64_t side, const TileGrid& tiles, ImageSize original) const;
  std::vector<MediaPiece> make_pieces(const TokenMap& map, const TileFeatures& features, const Tensor& projected,
                                      bool has_weights) const;
  MediaTokens make_tokens(const TokenGrid& grid, std::vector<int32_t> cells, std::span<const int32_t> rows,
                          const TileFeatures& features, const Tensor& projected, std::span<const float> weights) const;

  ModelFiles files_;  // keeps the mapped weights alive
  PixelSpec pixel_spec_;
  TileTower tower_;
  ProjectorMlp projector_;
  Tensor newline_;  // [model_dim] where tiles are packed as one grid, else empty
  uint64_t num_parameters_ = 0;
};

Expected<VisionEncoderPtr> Llava::load(const ModelFiles& files, int64_t model_dim) {
  const Metadata& metadata = files.vision_metadata();
  const TensorSource tensors(files.vision_file());
  SACCADE_ASSIGN_OR_RETURN(const VisionConfig config, read_vision_config(metadata, Activation::kGelu));
  SACCADE_RETURN_IF_ERROR(check_feature_select(metadata, tensors));
  auto encoder = std::unique_ptr<Llava>(new Llava(files));
  TileTowerOptions options;
  SACCADE_ASSIGN_OR_RETURN(options.num_blocks, num_feature_blocks(metadata, tensors, config.num_layers));
  options.has_legacy_ffn_names = has_legacy_names(metadata);
  leave_out_last_blocks(metadata, tensors, options.num_blocks, config.num_layers);
  // A v.post_ln that some files hold belongs to the tower's last output, not to hidden_states[-2].
  SACCADE_ASSIGN_OR_RETURN(encoder->tower_, TileTower::load(tensors, config, options));
  SACCADE_ASSIGN_OR_RETURN(encoder->projector_, ProjectorMlp::load(tensors, metadata, config.vision_dim, model_dim));
  SACCADE_ASSIGN_OR_RETURN(encoder->pixel_spec_, read_pixel_spec(metadata, config));
  SACCADE_RETURN_IF_ERROR(encoder->load_newline(tensors, model_dim));
  encoder->num_parameters_ = count_vision_parameters(files.vision_file());
  return VisionEncoderPtr(std::move(encoder));
}

Status Llava::load_newline(const TensorSource& tensors, int64_t model_dim) {
  if (!std::holds_alternative<AnyResolutionSpec>(pixel_spec_)) return {};
  constexpr const char* kKey = "clip.vision.mm_patch_merge_type";
  SACCADE_ASSIGN_OR_RETURN(const std::string merge_type, files_.vision_metadata().string_or(kKey, "flat"));
  if (merge_type == "flat") return {};
  if (merge_type != "spatial_unpad") {
    return unsupported(format("key %s is %s; known are flat, spatial_unpad", kKey, quote(merge_type).c_str()));
  }
  const char* name = tensors.has("v.image_newline") ? "v.image_newline" : "model.image_newline";
  SACCADE_ASSIGN_OR_RETURN(newline_, tensors.take_as_f32(name, Shape{model_dim}));
  return {};
}

TokenMap Llava::map_tokens(int64_t side, const TileGrid& tiles, ImageSize original) const {
  TokenMap map;
  map.side = side;
  const auto add_tile = [&](int64_t tile) {
    map.grids.push_back(make_token_grid(side, side));
    for (int64_t patch = 0; patch < side * side; ++patch) map.patches.push_back({tile, patch});
  };
  add_tile(0);
  if (!has_rows_packed()) {
    for (int64_t tile = 1; tile <= int64_t{tiles.rows} * tiles.cols; ++tile) add_tile(tile);
    return map;
  }
  if (tiles.rows == 0) return map;
  const GridCrop crop = crop_padding(tiles.rows * side, tiles.cols * side, original);
  if (crop.num_rows == 0) return map;
  map.grids.push_back(make_token_grid(crop.num_rows, crop.num_cols + 1));
  const std::vector<TilePatch> packed = pack_patches(1, side, tiles.cols, crop);
  map.patches.insert(map.patches.end(), packed.begin(), packed.end());
  return map;
}

std::vector<int32_t> Llava::token_cells(ImageSize original, const PixelLayout& layout) const {
  const int64_t side = layout.tile.width / cell_side();
  const TokenMap map = map_tokens(side, tile_grid(layout), original);
  std::vector<int32_t> cells;
  for (const TilePatch& patch : map.patches) {
    cells.push_back(patch == kNewline ? -1 : static_cast<int32_t>(patch.tile * side * side + patch.patch));
  }
  return cells;
}

Expected<std::vector<LayoutPiece>> Llava::layout(ImageSize original, const PixelSpec& spec) const {
  if (spec.index() != pixel_spec_.index()) return invalid_argument("a picture prepared as another family does");
  SACCADE_ASSIGN_OR_RETURN(const PixelLayout plan, plan_pixels(original, spec));
  SACCADE_ASSIGN_OR_RETURN(const int64_t side, tower_.patches_per_side(plan.tile));
  const TokenMap map = map_tokens(side, tile_grid(plan), original);
  return std::vector<LayoutPiece>(map.grids.begin(), map.grids.end());
}

Status Llava::check_tiles(const PixelBatch& pixels) const {
  const TileGrid tiles = tile_grid(pixels);
  if (tiles.rows > 0 && !std::holds_alternative<AnyResolutionSpec>(pixel_spec_)) {
    return invalid_argument("a picture in tiles, where the model takes one");
  }
  const int num_tiles_needed = tiles.rows * tiles.cols + 1;
  if (pixels.num_tiles() == num_tiles_needed) return {};
  return invalid_argument(
      format("a picture of %d tiles, where its grid needs %d", pixels.num_tiles(), num_tiles_needed));
}

// Which patches run. Those that are only padding run where everything does, as in training.
std::vector<TilePatches> select_patches(const TokenMap& map, int num_tiles, const EncodePlan& plan) {
  if (plan.is_seen.empty() && plan.weights.empty() && plan.merges.empty()) return all_patches(num_tiles, map.side);
  std::vector<TilePatches> tiles(static_cast<size_t>(num_tiles));
  // Within a tile, tokens are in the order of its patches.
  for (size_t token = 0; token < map.patches.size(); ++token) {
    const TilePatch& patch = map.patches[token];
    if (patch == kNewline || (!plan.is_seen.empty() && plan.is_seen[token] == 0)) continue;
    TilePatches& tile = tiles[static_cast<size_t>(patch.tile)];
    tile.patches.push_back(static_cast<int32_t>(patch.patch));
    if (!plan.weights.empty()) tile.weights.push_back(plan.weights[token]);
  }
  return tiles;
}

// MediaTokens::shown_by of a grid's tokens. Merges stay within a tile, and a tile within a grid.
std::vector<int32_t> find_merged(std::span<const TilePatch> tokens, int64_t patches_per_tile,
                                 const TileFeatures& features) {
  if (std::ranges::all_of(features.merged, [](const auto& of_tile) { return of_tile.empty(); })) return {};
  std::vector<int32_t> token_of(features.tiles.size() * static_cast<size_t>(patches_per_tile), kNotLookedAt);
  const auto index_of = [&](int64_t tile, int64_t patch) {
    return static_cast<size_t>(tile * patches_per_tile + patch);
  };
  std::vector<int32_t> shown_by(tokens.size(), kNotLookedAt);
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] == kNewline) {
      shown_by[i] = static_cast<int32_t>(i);
    } else {
      token_of[index_of(tokens[i].tile, tokens[i].patch)] = static_cast<int32_t>(i);
    }
  }
  for (size_t tile = 0; tile < features.tiles.size(); ++tile) {
    const auto tile_idx = static_cast<int64_t>(tile);
    const auto mark = [&](int32_t patch, int32_t target) {
      const int32_t token = token_of[index_of(tile_idx, patch)];
      if (token != kNotLookedAt) shown_by[static_cast<size_t>(token)] = token_of[index_of(tile_idx, target)];
    };
    for (const int32_t patch : features.tiles[tile].patches) mark(patch, patch);
    for (const MergedPatch& merged : features.merged[tile]) mark(merged.patch, merged.target);
  }
  return shown_by;
}

// projected [rows of the features, model_dim] as the grids that layout() promised.
std::vector<MediaPiece> Llava::make_pieces(const TokenMap& map, const TileFeatures& features, const Tensor& projected,
                                           bool has_weights) const {
  const int64_t patches_per_tile = map.side * map.side;
  std::vector<int32_t> row_of(features.tiles.size() * static_cast<size_t>(patches_per_tile), kNoRow);
  std::vector<float> weights;  // of rows
  int32_t num_rows = 0;
  for (size_t tile = 0; tile < features.tiles.size(); ++tile) {
    for (const int32_t patch : features.tiles[tile].patches) {
      row_of[tile * static_cast<size_t>(patches_per_tile) + static_cast<size_t>(patch)] = num_rows++;
    }
    weights.insert(weights.end(), features.tiles[tile].weights.begin(), features.tiles[tile].weights.end());
  }
  std::vector<MediaPiece> pieces;
  size_t token = 0;
  for (const TokenGrid& grid : map.grids) {
    const size_t first_token = token;
    std::vector<int32_t> cells;
    std::vector<int32_t> rows;  // of `projected`, or kNoRow for a newline
    for (int32_t cell = 0; cell < grid.num_tokens; ++cell, ++token) {
      const TilePatch& patch = map.patches[token];
      const int32_t row =
          patch == kNewline ? kNoRow : row_of[static_cast<size_t>(patch.tile * patches_per_tile + patch.patch)];
      if (row == kNoRow && patch != kNewline) continue;
      cells.push_back(cell);
      rows.push_back(row);
    }
    pieces.emplace_back(make_tokens(grid, std::move(cells), rows, features, projected,
                                    has_weights ? std::span<const float>(weights) : std::span<const float>()));
    const std::span tokens = std::span(map.patches).subspan(first_token, token - first_token);
    std::get<MediaTokens>(pieces.back()).shown_by = find_merged(tokens, patches_per_tile, features);
  }
  return pieces;
}

MediaTokens Llava::make_tokens(const TokenGrid& grid, std::vector<int32_t> cells, std::span<const int32_t> rows,
                               const TileFeatures& features, const Tensor& projected,
                               std::span<const float> weights) const {
  const auto num_tokens = static_cast<int64_t>(rows.size());
  Tensor vectors(Shape{num_tokens, projected.shape()[1]});
  Tensor keys;
  if (!features.keys.is_empty()) {
    keys = Tensor(Shape{num_tokens, features.keys.shape()[1]});
    keys.fill(0);
  }
  std::vector<float> attention(features.attention.empty() ? 0 : rows.size(), 0.0F);
  std::vector<float> token_weights(weights.empty() ? 0 : rows.size(), 1.0F);
  std::vector<uint8_t> is_fixed(rows.size(), 0);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto token = static_cast<int64_t>(i);
    if (rows[i] == kNoRow) {
      is_fixed[i] = 1;
      std::ranges::copy(newline_.floats(), vectors.row(token).begin());
      continue;
    }
    const auto row = static_cast<size_t>(rows[i]);
    std::ranges::copy(projected.row(rows[i]), vectors.row(token).begin());
    if (!keys.is_empty()) std::ranges::copy(features.keys.row(rows[i]), keys.row(token).begin());
    if (!attention.empty()) attention[i] = features.attention[row];
    if (!token_weights.empty()) token_weights[i] = weights[row];
  }
  MediaTokens tokens = make_thinned_tokens(std::move(vectors), std::move(cells), grid.extent);
  if (std::ranges::find(is_fixed, 1) != is_fixed.end()) tokens.is_fixed = std::move(is_fixed);
  tokens.weights = std::move(token_weights);
  tokens.class_attention = std::move(attention);
  tokens.keys = std::move(keys);
  return tokens;
}

Expected<std::vector<MediaPiece>> Llava::encode(const PixelBatch& pixels, const EncodePlan& requested, ThreadPool& pool,
                                                EncodeTrace& trace, const ProgressFunction& report) const {
  SACCADE_RETURN_IF_ERROR(check_tiles(pixels));
  SACCADE_ASSIGN_OR_RETURN(const int64_t side, tower_.patches_per_side({pixels.width(), pixels.height()}));
  const TokenMap map = map_tokens(side, tile_grid(pixels), pixels.original);
  SACCADE_RETURN_IF_ERROR(check_plan(requested, count_tokens(map.grids), num_layers()));
  const EncodePlan plan = simplified(requested);
  std::vector<TilePatches> patches = select_patches(map, pixels.num_tiles(), plan);
  int64_t num_patches = 0;
  for (const TilePatches& tile : patches) num_patches += static_cast<int64_t>(tile.patches.size());
  WorkProgress progress(report, tower_.work(patches, plan) + projector_.work(num_patches));
  const Stopwatch encode_time;
  SACCADE_ASSIGN_OR_RETURN(TileFeatures features,
                           tower_.encode(pixels, std::move(patches), plan, MergedRows::kStayMerged, pool, progress));
  trace.encode_ms = encode_time.elapsed_ms();
  const Stopwatch project_time;
  SACCADE_ASSIGN_OR_RETURN(Tensor projected, projector_.project(pool, features.rows, progress));
  const bool has_weights = !plan.weights.empty() || !plan.merges.empty();
  std::vector<MediaPiece> pieces = make_pieces(map, features, projected, has_weights);
  SACCADE_RETURN_IF_ERROR(progress.finish());
  trace.multiply_adds = progress.done_work();
  trace.project_ms = project_time.elapsed_ms();
  if (trace.keep_tensors) {
    trace.encoder_output = std::move(features.rows);
    trace.projector_output = std::move(projected);
  }
  return pieces;
}

}  // namespace

Expected<VisionEncoderPtr> load_llava(const ModelFiles& files, int64_t model_dim) {
  return Llava::load(files, model_dim);
}

}  // namespace saccade
