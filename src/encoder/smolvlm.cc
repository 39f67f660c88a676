// SmolVLM, SmolVLM2 and Idefics3: a SigLIP tower over tiles and a view of the whole picture, pixel-unshuffle and one
// linear layer; in the prompt each tile stands behind control tokens that name its row and column.
#include <algorithm>
#include <span>
#include <utility>

#include "base/format.h"
#include "encoder/families.h"
#include "encoder/gather_rows.h"
#include "encoder/linear_layer.h"
#include "encoder/pixel_unshuffle.h"
#include "encoder/projector_mlp.h"
#include "encoder/tile_tower.h"
#include "encoder/token_grid.h"
#include "platform/clock.h"

namespace saccade {
namespace {

constexpr const char* kFakeToken = "<fake_token_around_image>";
constexpr const char* kGlobalToken = "<global-img>";
constexpr const char* kProjector = "mm.model.fc";

std::string tile_token(int row, int col) {
  return format("<row_%d_col_%d>", row, col);
}

// The control text in front of each tile, and behind the last, exactly as Transformers' processor writes it: a line for
// each row of tiles, an empty line, the global view.
std::vector<std::string> control_texts(int grid_rows, int grid_cols, bool has_global_view) {
  const std::string fake = kFakeToken;
  if (!has_global_view) return {fake + kGlobalToken, fake};
  std::vector<std::string> texts;
  for (int row = 1; row <= grid_rows; ++row) {
    for (int col = 1; col <= grid_cols; ++col) {
      const std::string line_end = row > 1 && col == 1 ? "\n" : "";
      texts.push_back(line_end + fake + tile_token(row, col));
    }
  }
  texts.push_back("\n\n" + fake + kGlobalToken);
  texts.push_back(fake);
  return texts;
}

class SmolVlm : public VisionEncoder {
 public:
  static Expected<VisionEncoderPtr> load(const ModelFiles& files, int64_t model_dim);

  std::string family() const override { return "smolvlm"; }
  const PixelSpec& pixel_spec() const override { return pixel_spec_; }
  bool has_2d_positions() const override { return false; }
  std::string image_marker() const override { return "<image>"; }
  std::string image_placeholder() const override { return "<image>"; }
  ControlTokens control_tokens() const override;
  uint64_t num_parameters() const override { return num_parameters_; }
  DType main_dtype() const override { return tower_.main_dtype(); }
  void keep_small_pictures() override { std::get<TileSpec>(pixel_spec_).is_enlarged = false; }
  void pack_weights(ThreadPool& pool) override {
    tower_.pack_weights(pool);
    projector_.weight.pack(pool);
  }

  int num_layers() const override { return tower_.num_layers(); }

  using VisionEncoder::layout;
  int cell_side() const override { return tower_.patch_size() * static_cast<int>(scale_factor_); }
  Expected<std::vector<LayoutPiece>> layout(ImageSize original, const PixelSpec& spec) const override;
  Expected<std::vector<MediaPiece>> encode(const PixelBatch& pixels, const EncodePlan& plan, ThreadPool& pool,
                                           EncodeTrace& trace, const ProgressFunction& progress) const override;

 private:
  explicit SmolVlm(const ModelFiles& files) : files_(files) {}
  Expected<int64_t> tokens_per_side(ImageSize tile) const;
  int max_grid_side() const;
  std::vector<TilePatches> select_patches(int num_tiles, int64_t tokens_per_side, const EncodePlan& plan) const;
  std::vector<MediaTokens> make_tokens(const TileFeatures& features, int64_t tokens_per_side, ThreadPool& pool,
                                       EncodeTrace& trace) const;

  ModelFiles files_;  // keeps the mapped weights alive
  PixelSpec pixel_spec_;
  TileTower tower_;
  LinearLayer projector_;     // [model_dim, scale_factor^2 * vision_dim]
  int64_t scale_factor_ = 0;  // patches along a side of the square that becomes one token
  uint64_t num_parameters_ = 0;
};

Expected<PixelSpec> read_pixel_spec(const Metadata& metadata, const VisionConfig& config) {
  TileSpec spec;
  SACCADE_ASSIGN_OR_RETURN(spec.filter, read_resize_filter(metadata, ResizeFilter::kLanczos));
  SACCADE_ASSIGN_OR_RETURN(const int64_t longest_edge,
                           metadata.integer_or("clip.vision.preproc_image_size", 4 * config.image_size, 1, 1 << 14));
  SACCADE_ASSIGN_OR_RETURN(const int64_t tile_size,
                           metadata.integer_or("saccade.vision.tile_size", config.image_size, 1, 1 << 14));
  SACCADE_ASSIGN_OR_RETURN(spec.is_split, metadata.boolean_or("saccade.vision.is_split", true));
  if (tile_size != config.image_size) {
    return unsupported(format("key saccade.vision.tile_size is %lld, the tower takes clip.vision.image_size %d only",
                              static_cast<long long>(tile_size), config.image_size));
  }
  spec.tile_size = config.image_size;
  spec.longest_edge = static_cast<int>(longest_edge);
  spec.normalization = config.normalization;
  return PixelSpec(spec);
}

Expected<VisionEncoderPtr> SmolVlm::load(const ModelFiles& files, int64_t model_dim) {
  const Metadata& metadata = files.vision_metadata();
  const TensorSource tensors(files.vision_file());
  SACCADE_ASSIGN_OR_RETURN(const VisionConfig config, read_vision_config(metadata, Activation::kGeluTanh));
  auto encoder = std::unique_ptr<SmolVlm>(new SmolVlm(files));
  // Positions are the tile's patches row by row. Transformers derives them from fractions of the side in f32, which
  // comes to the same on every published size (14, 16, 24, 26, 27, 32 patches a side).
  TileTowerOptions options;
  options.num_blocks = config.num_layers;
  options.has_output_norm = true;
  SACCADE_ASSIGN_OR_RETURN(encoder->tower_, TileTower::load(tensors, config, options));
  SACCADE_ASSIGN_OR_RETURN(encoder->scale_factor_, metadata.integer_or("clip.vision.projector.scale_factor", 4, 1, 64));
  const int64_t side = encoder->tower_.patches_per_side();
  if (side % encoder->scale_factor_ != 0) {
    return corrupt_data(
        format("key clip.vision.projector.scale_factor is %lld, which does not divide the %lld patches "
               "along a tile's side",
               static_cast<long long>(encoder->scale_factor_), static_cast<long long>(side)));
  }
  SACCADE_RETURN_IF_ERROR(check_projects_to(tensors, kProjector, model_dim));
  const int64_t in_dim = encoder->scale_factor_ * encoder->scale_factor_ * config.vision_dim;
  SACCADE_ASSIGN_OR_RETURN(encoder->projector_, load_linear(tensors, kProjector, model_dim, in_dim));
  SACCADE_ASSIGN_OR_RETURN(encoder->pixel_spec_, read_pixel_spec(metadata, config));
  encoder->num_parameters_ = count_vision_parameters(files.vision_file());
  return VisionEncoderPtr(std::move(encoder));
}

// Rows or columns of tiles that the vocabulary has a name for.
int SmolVlm::max_grid_side() const {
  constexpr int kMaxSide = 16;  // tiles; larger pictures are over the limit of plan_pixels()
  const auto& spec = std::get<TileSpec>(pixel_spec_);
  const int tiles_per_side = (spec.longest_edge + spec.tile_size - 1) / spec.tile_size;
  return spec.is_split ? std::min(tiles_per_side, kMaxSide) : 0;
}

ControlTokens SmolVlm::control_tokens() const {
  const int side = max_grid_side();
  ControlTokens tokens{{kFakeToken}, {kGlobalToken}};
  for (int row = 1; row <= side; ++row) {
    for (int col = 1; col <= side; ++col) tokens.all_or_none.push_back(tile_token(row, col));
  }
  return tokens;
}

Expected<int64_t> SmolVlm::tokens_per_side(ImageSize tile) const {
  SACCADE_ASSIGN_OR_RETURN(const int64_t side, tower_.patches_per_side(tile));
  if (side % scale_factor_ == 0) return side / scale_factor_;
  return invalid_argument(
      format("a tile of %d x %d pixels, %lld patches along a side, which are not whole tokens of %lld", tile.width,
             tile.height, static_cast<long long>(side), static_cast<long long>(scale_factor_)));
}

Expected<std::vector<LayoutPiece>> SmolVlm::layout(ImageSize original, const PixelSpec& spec) const {
  if (spec.index() != pixel_spec_.index()) return invalid_argument("a picture prepared as another family does");
  SACCADE_ASSIGN_OR_RETURN(const PixelLayout plan, plan_pixels(original, spec));
  SACCADE_ASSIGN_OR_RETURN(const int64_t side, tokens_per_side(plan.tile));
  const int max_side = std::max(1, max_grid_side());
  if (plan.has_global_view && std::max(plan.grid_rows, plan.grid_cols) > max_side) {
    return invalid_argument(format("a picture of %d x %d tiles, where the model names %d x %d", plan.grid_cols,
                                   plan.grid_rows, max_side, max_side));
  }
  const auto texts = control_texts(plan.grid_rows, plan.grid_cols, plan.has_global_view);
  std::vector<LayoutPiece> pieces;
  for (size_t i = 0; i + 1 < texts.size(); ++i) {
    pieces.emplace_back(texts[i]);
    pieces.emplace_back(make_token_grid(side, side));
  }
  pieces.emplace_back(texts.back());
  return pieces;
}

// Each token is a square of patches.
std::vector<TilePatches> SmolVlm::select_patches(int num_tiles, int64_t tokens_per_side, const EncodePlan& plan) const {
  const int64_t side = tokens_per_side * scale_factor_;
  std::vector<TilePatches> tiles = all_patches(num_tiles, side);
  if (plan.is_seen.empty() && plan.weights.empty()) return tiles;
  const auto tokens_per_tile = static_cast<size_t>(tokens_per_side * tokens_per_side);
  for (size_t tile_idx = 0; tile_idx < tiles.size(); ++tile_idx) {
    TilePatches seen;
    for (const int32_t patch : tiles[tile_idx].patches) {
      const int64_t token_y = patch / side / scale_factor_;
      const int64_t token_x = patch % side / scale_factor_;
      const size_t token = tile_idx * tokens_per_tile + static_cast<size_t>(token_y * tokens_per_side + token_x);
      if (!plan.is_seen.empty() && plan.is_seen[token] == 0) continue;
      seen.patches.push_back(patch);
      if (!plan.weights.empty()) seen.weights.push_back(plan.weights[token]);
    }
    tiles[tile_idx] = std::move(seen);
  }
  return tiles;
}

// Squares of patches to rows of the language model, tile by tile.
std::vector<MediaTokens> SmolVlm::make_tokens(const TileFeatures& features, int64_t tokens_per_side, ThreadPool& pool,
                                              EncodeTrace& trace) const {
  const int64_t square = scale_factor_ * scale_factor_;
  std::vector<int32_t> rows;  // of the features, in the order of tokens
  std::vector<std::vector<int32_t>> cells;
  std::vector<int32_t> first_rows;  // of each tile
  int32_t first_row = 0;
  for (const TilePatches& tile : features.tiles) {
    first_rows.push_back(first_row);
    cells.push_back(find_squares(tile.patches, tokens_per_side * scale_factor_, scale_factor_, first_row, rows));
    first_row += static_cast<int32_t>(tile.patches.size());
  }
  const Tensor merged = gather_rows(features.rows, rows);  // [num_tokens, square * vision_dim] by its elements
  const int64_t num_tokens = merged.shape()[0] / square;
  Tensor projected(Shape{num_tokens, projector_.out_dim()});
  linear(pool, merged.floats().data(), num_tokens, projector_.to(projected.floats().data()));
  std::vector<MediaTokens> grids;
  int64_t first_token = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    const auto count = static_cast<int64_t>(cells[i].size());
    const auto squares = std::span<const int32_t>(rows).subspan(static_cast<size_t>(first_token * square),
                                                                static_cast<size_t>(count * square));
    MediaTokens tokens = make_thinned_tokens(copy_rows(projected, first_token, count), std::move(cells[i]),
                                             make_token_grid(tokens_per_side, tokens_per_side).extent);
    const TilePatches& tile = features.tiles[i];
    for (int64_t token = 0; !tile.weights.empty() && token < count; ++token) {
      const int32_t first_patch = squares[static_cast<size_t>(token * square)] - first_rows[i];
      tokens.weights.push_back(tile.weights[static_cast<size_t>(first_patch)]);
    }
    if (!features.attention.empty()) tokens.class_attention = sum_of_groups(features.attention, squares, square);
    if (!features.keys.is_empty()) tokens.keys = mean_of_groups(features.keys, squares, square);
    grids.push_back(std::move(tokens));
    first_token += count;
  }
  if (trace.keep_tensors) trace.projector_output = std::move(projected);
  return grids;
}

Expected<std::vector<MediaPiece>> SmolVlm::encode(const PixelBatch& pixels, const EncodePlan& requested,
                                                  ThreadPool& pool, EncodeTrace& trace,
                                                  const ProgressFunction& report) const {
  const auto texts = control_texts(pixels.grid_rows, pixels.grid_cols, pixels.has_global_view);
  const size_t num_tiles = texts.size() - 1;
  if (static_cast<size_t>(pixels.num_tiles()) != num_tiles) {
    return invalid_argument(format("a picture of %d tiles, where its grid needs %zu", pixels.num_tiles(), num_tiles));
  }
  SACCADE_ASSIGN_OR_RETURN(const int64_t side, tokens_per_side({pixels.width(), pixels.height()}));
  SACCADE_RETURN_IF_ERROR(check_plan(requested, pixels.num_tiles() * side * side, num_layers()));
  const EncodePlan plan = simplified(requested);
  std::vector<TilePatches> patches = select_patches(pixels.num_tiles(), side, plan);
  WorkProgress progress(report, tower_.work(patches, plan));
  const Stopwatch encode_time;
  SACCADE_ASSIGN_OR_RETURN(TileFeatures features,
                           tower_.encode(pixels, std::move(patches), plan, MergedRows::kComeBack, pool, progress));
  trace.encode_ms = encode_time.elapsed_ms();

  const Stopwatch project_time;
  std::vector<MediaTokens> grids = make_tokens(features, side, pool, trace);
  SACCADE_RETURN_IF_ERROR(progress.finish());
  trace.multiply_adds = progress.done_work();
  std::vector<MediaPiece> pieces;
  for (size_t i = 0; i < num_tiles; ++i) {
    trace.multiply_adds +=
        static_cast<double>(grids[i].vectors.shape()[0] * projector_.out_dim() * projector_.in_dim());
    pieces.emplace_back(texts[i]);
    pieces.emplace_back(std::move(grids[i]));
  }
  pieces.emplace_back(texts.back());
  trace.project_ms = project_time.elapsed_ms();
  if (trace.keep_tensors) trace.encoder_output = std::move(features.rows);
  return pieces;
}

}  // namespace

Expected<VisionEncoderPtr> load_smolvlm(const ModelFiles& files, int64_t model_dim) {
  return SmolVlm::load(files, model_dim);
}

}  // namespace saccade
