// Qwen2-VL and Qwen2.5-VL: a tower at the picture's own resolution with rotary positions in two dimensions, and a
// merger that makes one token of 2 x 2 patches. 2.5 has RMS norms, a gated MLP, and windows in most of its blocks.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/format.h"
#include "encoder/families.h"
#include "encoder/gather_rows.h"
#include "encoder/norm_layer.h"
#include "encoder/patch_order.h"
#include "encoder/projector_mlp.h"
#include "encoder/token_grid.h"
#include "encoder/tower_run.h"
#include "platform/clock.h"

namespace saccade {
namespace {

constexpr double kRopeTheta = 10000;

// The largest picture of the published models. Attention takes time with the square of this.
constexpr int64_t kMaxPatches = int64_t{1} << 16;

enum class Generation : uint8_t { kQwen2, kQwen25 };

// Which blocks see the whole picture, and how wide the windows of the others are.
struct WindowPlan {
  std::vector<bool> is_full;  // [num_layers]
  int64_t window_cells = 0;   // merged cells along a window's side; 0: no windows
};

Expected<std::vector<bool>> read_full_layers(const Metadata& metadata, int num_layers) {
  constexpr const char* kListKey = "saccade.vision.full_attention_layers";
  std::vector<bool> is_full(static_cast<size_t>(num_layers), false);
  if (metadata.has(kListKey)) {
    SACCADE_ASSIGN_OR_RETURN(const std::vector<int64_t> layers, metadata.integers(kListKey));
    for (const int64_t layer : layers) {
      if (layer < 0) return corrupt_data(format("key %s has a negative layer", kListKey));
      if (layer < num_layers) is_full[static_cast<size_t>(layer)] = true;  // lists for deeper towers are common
    }
    return is_full;
  }
  SACCADE_ASSIGN_OR_RETURN(const int64_t pattern, metadata.integer("clip.vision.n_wa_pattern", 0, 1 << 10));
  for (int i = 0; i < num_layers; ++i) is_full[static_cast<size_t>(i)] = pattern == 0 || (i + 1) % pattern == 0;
  return is_full;
}

Expected<WindowPlan> read_window_plan(const Metadata& metadata, const VisionConfig& config, int64_t merge_size,
                                      Generation generation) {
  WindowPlan plan;
  if (generation == Generation::kQwen2) {
    plan.is_full.assign(static_cast<size_t>(config.num_layers), true);
    return plan;
  }
  SACCADE_ASSIGN_OR_RETURN(plan.is_full, read_full_layers(metadata, config.num_layers));
  SACCADE_ASSIGN_OR_RETURN(const int64_t window_size, metadata.integer_or("clip.vision.window_size", 112, 1, 1 << 14));
  plan.window_cells = window_size / merge_size / config.patch_size;
  if (plan.window_cells == 0) {
    return corrupt_data(format("key clip.vision.window_size is %lld, less than one token of %lld x %lld patches",
                               static_cast<long long>(window_size), static_cast<long long>(merge_size),
                               static_cast<long long>(merge_size)));
  }
  return plan;
}

Expected<PixelSpec> read_pixel_spec(const Metadata& metadata, const VisionConfig& config, int64_t merge_size) {
  DynamicResolutionSpec spec;
  constexpr int64_t kMostPixels = int64_t{1} << 40;
  SACCADE_ASSIGN_OR_RETURN(spec.filter, read_resize_filter(metadata, ResizeFilter::kBicubic));
  SACCADE_ASSIGN_OR_RETURN(spec.min_pixels,
                           metadata.integer_or("clip.vision.image_min_pixels", spec.min_pixels, 1, kMostPixels));
  SACCADE_ASSIGN_OR_RETURN(spec.max_pixels,
                           metadata.integer_or("clip.vision.image_max_pixels", spec.max_pixels, 1, kMostPixels));
  if (spec.min_pixels > spec.max_pixels) {
    return corrupt_data("key clip.vision.image_min_pixels is above clip.vision.image_max_pixels");
  }
  spec.patch_size = config.patch_size;
  spec.merge_size = static_cast<int>(merge_size);
  spec.normalization = config.normalization;
  return PixelSpec(spec);
}

// The first half of a head's pairs turns with the patch's row, the second with its column.
RotaryTable make_rotary_table(const std::vector<PatchPosition>& patches, int64_t head_dim) {
  const int64_t quarter = head_dim / 4;
  std::vector<float> frequencies;
  for (int64_t i = 0; i < quarter; ++i) {
    const double exponent = static_cast<double>(i) / static_cast<double>(quarter);
    frequencies.push_back(static_cast<float>(1.0 / std::pow(kRopeTheta, exponent)));
  }
  const auto num_rows = static_cast<int64_t>(patches.size());
  RotaryTable table{Tensor(Shape{num_rows, 2 * quarter}), Tensor(Shape{num_rows, 2 * quarter})};
  for (int64_t row = 0; row < num_rows; ++row) {
    const PatchPosition& patch = patches[static_cast<size_t>(row)];
    const std::span<float> cosine = table.cosine.row(row);
    const std::span<float> sine = table.sine.row(row);
    for (size_t i = 0; i < cosine.size(); ++i) {
      const bool is_row_angle = i < frequencies.size();
      const float position = static_cast<float>(is_row_angle ? patch.y : patch.x);
      const float angle = position * frequencies[is_row_angle ? i : i - frequencies.size()];
      cosine[i] = std::cos(angle);
      sine[i] = std::sin(angle);
    }
  }
  return table;
}

class Qwen2Vl : public VisionEncoder {
 public:
  static Expected<VisionEncoderPtr> load(const ModelFiles& files, int64_t model_dim, Generation generation);

  std::string family() const override { return "qwen2_vl"; }
  const PixelSpec& pixel_spec() const override { return pixel_spec_; }
  bool has_2d_positions() const override { return true; }
  std::string image_marker() const override { return "<|vision_start|><|image_pad|><|vision_end|>"; }
  std::string image_placeholder() const override { return "<|image_pad|>"; }
  ControlTokens control_tokens() const override { return {{"<|vision_start|>", "<|vision_end|>"}, {}}; }
  uint64_t num_parameters() const override { return num_parameters_; }
  DType main_dtype() const override { return blocks_.front().up.weight.dtype(); }
  void pack_weights(ThreadPool& pool) override {
    for (VitBlock& block : blocks_) saccade::pack_weights(pool, block);
    merger_.pack_weights(pool);
  }

  int num_layers() const override { return static_cast<int>(blocks_.size()); }
  AttentionWindows windows() const override {
    return {std::ranges::count(windows_.is_full, false), windows_.window_cells * merge_size_};
  }

  using VisionEncoder::layout;
  int cell_side() const override {
    const auto& spec = std::get<DynamicResolutionSpec>(pixel_spec_);
    return spec.patch_size * spec.merge_size;
  }
  Expected<std::vector<LayoutPiece>> layout(ImageSize original, const PixelSpec& spec) const override;
  Expected<std::vector<MediaPiece>> encode(const PixelBatch& pixels, const EncodePlan& plan, ThreadPool& pool,
                                           EncodeTrace& trace, const ProgressFunction& progress) const override;

 private:
  explicit Qwen2Vl(const ModelFiles& files) : files_(files) {}
  Status check_size(ImageSize size) const;
  Status load_blocks(const TensorSource& tensors, Generation generation);
  TowerBlocks tower_blocks() const;
  double work(const PatchOrder& order, const EncodePlan& plan) const;
  Expected<Tensor> embed(const PixelBatch& pixels, const PatchOrder& order, ThreadPool& pool,
                         WorkProgress& progress) const;
  Expected<TowerResult> run_blocks(Tensor hidden, const PatchOrder& order, const EncodePlan& plan, ThreadPool& pool,
                                   WorkProgress& progress) const;
  MediaTokens arrange(const Tensor& merged, const TowerResult& features, const PatchOrder& order, const Place& extent,
                      const EncodePlan& plan) const;
  Expected<Tensor> merge(const Tensor& features, ThreadPool& pool, WorkProgress& progress) const;
  int64_t pixels_per_cell() const { return int64_t{config_.patch_size} * merge_size_; }

  ModelFiles files_;  // keeps the mapped weights alive
  VisionConfig config_;
  PixelSpec pixel_spec_;
  int64_t merge_size_ = 0;  // patches along a side of the square that becomes one token
  WindowPlan windows_;
  PatchEmbedding patch_embedding_;
  std::vector<VitBlock> blocks_;
  NormLayer merger_norm_;
  ProjectorMlp merger_;
  uint64_t num_parameters_ = 0;
};

Status check_tower(const VisionConfig& config, Generation generation) {
  if (config.head_dim() % 4 != 0) {
    return corrupt_data(
        format("heads of %lld elements (clip.vision.embedding_length over attention.head_count), where "
               "rotary positions in two dimensions need a multiple of 4",
               static_cast<long long>(config.head_dim())));
  }
  if (generation == Generation::kQwen25 && config.activation != Activation::kSilu) {
    return unsupported("a Qwen2.5-VL tower whose gate is not SiLU (clip.use_silu)");
  }
  return {};
}

Expected<VisionEncoderPtr> Qwen2Vl::load(const ModelFiles& files, int64_t model_dim, Generation generation) {
  const Metadata& metadata = files.vision_metadata();
  const TensorSource tensors(files.vision_file());
  auto encoder = std::unique_ptr<Qwen2Vl>(new Qwen2Vl(files));
  SACCADE_ASSIGN_OR_RETURN(encoder->config_, read_vision_config(metadata, Activation::kGelu));
  const VisionConfig& config = encoder->config_;
  SACCADE_RETURN_IF_ERROR(check_tower(config, generation));
  SACCADE_ASSIGN_OR_RETURN(encoder->merge_size_, metadata.integer_or("clip.vision.spatial_merge_size", 2, 1, 16));
  SACCADE_ASSIGN_OR_RETURN(encoder->windows_, read_window_plan(metadata, config, encoder->merge_size_, generation));
  SACCADE_ASSIGN_OR_RETURN(encoder->pixel_spec_, read_pixel_spec(metadata, config, encoder->merge_size_));
  SACCADE_ASSIGN_OR_RETURN(encoder->patch_embedding_, PatchEmbedding::load(tensors, config, true));
  SACCADE_RETURN_IF_ERROR(encoder->load_blocks(tensors, generation));
  const int64_t merged_dim = encoder->merge_size_ * encoder->merge_size_ * config.vision_dim;
  SACCADE_ASSIGN_OR_RETURN(encoder->merger_, ProjectorMlp::load(tensors, metadata, merged_dim, model_dim));
  encoder->num_parameters_ = count_vision_parameters(files.vision_file());
  return VisionEncoderPtr(std::move(encoder));
}

Status Qwen2Vl::load_blocks(const TensorSource& tensors, Generation generation) {
  VitBlockOptions options;
  options.norm = generation == Generation::kQwen25 ? NormKind::kRmsNorm : NormKind::kLayerNorm;
  options.is_gated = generation == Generation::kQwen25;
  options.has_legacy_ffn_names = files_.vision_metadata().has("clip.has_qwen2vl_merger");
  for (int i = 0; i < config_.num_layers; ++i) {
    SACCADE_ASSIGN_OR_RETURN(VitBlock block, load_vit_block(tensors, i, config_, options));
    blocks_.push_back(std::move(block));
  }
  SACCADE_RETURN_IF_ERROR(tensors.check_all_taken("v.blk."));
  SACCADE_ASSIGN_OR_RETURN(merger_norm_,
                           load_norm(tensors, "v.post_ln", options.norm, config_.vision_dim, config_.norm_epsilon));
  return {};
}

Status Qwen2Vl::check_size(ImageSize size) const {
  const int64_t rows = size.height / pixels_per_cell();
  const int64_t cols = size.width / pixels_per_cell();
  if (rows < 1 || cols < 1 || size.height % pixels_per_cell() != 0 || size.width % pixels_per_cell() != 0) {
    return invalid_argument(
        format("a picture of %d x %d pixels, where the model takes sides that are multiples of %lld", size.width,
               size.height, static_cast<long long>(pixels_per_cell())));
  }
  const int64_t num_patches = rows * cols * merge_size_ * merge_size_;
  if (num_patches > kMaxPatches) {
    return resource_exhausted(format("a picture of %lld patches, over the limit of %lld",
                                     static_cast<long long>(num_patches), static_cast<long long>(kMaxPatches)));
  }
  return {};
}

Expected<std::vector<LayoutPiece>> Qwen2Vl::layout(ImageSize original, const PixelSpec& spec) const {
  if (spec.index() != pixel_spec_.index()) return invalid_argument("a picture prepared as another family does");
  SACCADE_ASSIGN_OR_RETURN(const PixelLayout plan, plan_pixels(original, spec));
  SACCADE_RETURN_IF_ERROR(check_size(plan.tile));
  return std::vector<LayoutPiece>{
      make_token_grid(plan.tile.height / pixels_per_cell(), plan.tile.width / pixels_per_cell())};
}

TowerBlocks Qwen2Vl::tower_blocks() const {
  TowerBlocks tower = {.blocks = blocks_, .is_windowed = {}};
  for (const bool is_full : windows_.is_full) tower.is_windowed.push_back(is_full ? 0 : 1);
  return tower;
}

// Multiply-adds of embed(), run_blocks() and merge().
double Qwen2Vl::work(const PatchOrder& order, const EncodePlan& plan) const {
  const RowTile tile = {order.windows};
  const double embed_work = static_cast<double>(order.patches.size()) * patch_embedding_.work_per_patch();
  return embed_work + tower_work(tower_blocks(), {&tile, 1}, 0, plan) +
         merger_.work(static_cast<int64_t>(order.cells.size()));
}

// [num_patches, vision_dim], in the tower's order.
Expected<Tensor> Qwen2Vl::embed(const PixelBatch& pixels, const PatchOrder& order, ThreadPool& pool,
                                WorkProgress& progress) const {
  const std::span<const PatchPosition> patches = order.patches;
  const auto num_patches = static_cast<int64_t>(patches.size());
  Tensor embedded(Shape{num_patches, config_.vision_dim});
  const auto embed_piece = [&](int64_t first, int64_t count) {
    patch_embedding_.embed(pool, pixels.pixels.floats().data(), pixels.height(), pixels.width(),
                           patches.subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
                           embedded.row(first).data());
  };
  SACCADE_RETURN_IF_ERROR(progress.run_in_pieces(num_patches, patch_embedding_.work_per_patch(), 1, embed_piece));
  return embedded;
}

Expected<TowerResult> Qwen2Vl::run_blocks(Tensor hidden, const PatchOrder& order, const EncodePlan& plan,
                                          ThreadPool& pool, WorkProgress& progress) const {
  TowerRows rows;
  rows.hidden = std::move(hidden);
  rows.tiles = {{order.windows}};
  rows.rotary = make_rotary_table(order.patches, config_.head_dim());
  for (size_t i = 0; !plan.weights.empty() && i < order.cells.size(); ++i) {
    const float weight = plan.weights[static_cast<size_t>(order.cells[i])];
    rows.sizes.insert(rows.sizes.end(), static_cast<size_t>(merge_size_ * merge_size_), weight);
  }
  const TowerBlocks tower = tower_blocks();
  return run_tower(tower, std::move(rows), plan, MergedRows::kComeBack, pool, progress);
}

// Rows of the tower to rows of the language model, both in the tower's order.
Expected<Tensor> Qwen2Vl::merge(const Tensor& features, ThreadPool& pool, WorkProgress& progress) const {
  Tensor normed(features.shape());
  apply_norm(pool, merger_norm_, features.floats().data(), features.shape()[0], normed.floats().data());
  return merger_.project(pool, normed, progress);
}

// From the tower's order to that of the grid.
MediaTokens Qwen2Vl::arrange(const Tensor& merged, const TowerResult& features, const PatchOrder& order,
                             const Place& extent, const EncodePlan& plan) const {
  std::vector<int32_t> groups(order.cells.size());
  std::iota(groups.begin(), groups.end(), 0);
  std::ranges::sort(groups, {}, [&](int32_t group) { return order.cells[static_cast<size_t>(group)]; });
  const int64_t square = merge_size_ * merge_size_;
  std::vector<int32_t> cells;
  std::vector<int32_t> rows;  // of the features
  std::vector<float> weights;
  for (const int32_t group : groups) {
    const int64_t cell = order.cells[static_cast<size_t>(group)];
    cells.push_back(static_cast<int32_t>(cell));
    if (!plan.weights.empty()) weights.push_back(plan.weights[static_cast<size_t>(cell)]);
    for (int64_t i = 0; i < square; ++i) rows.push_back(static_cast<int32_t>(group * square + i));
  }
  MediaTokens tokens = make_thinned_tokens(gather_rows(merged, groups), std::move(cells), extent);
  tokens.weights = std::move(weights);
  if (!features.attention.empty()) tokens.class_attention = sum_of_groups(features.attention, rows, square);
  if (!features.keys.is_empty()) tokens.keys = mean_of_groups(features.keys, rows, square);
  return tokens;
}

Expected<std::vector<MediaPiece>> Qwen2Vl::encode(const PixelBatch& pixels, const EncodePlan& requested,
                                                  ThreadPool& pool, EncodeTrace& trace,
                                                  const ProgressFunction& report) const {
  if (pixels.num_tiles() != 1) {
    return invalid_argument(format("a picture of %d tiles, where the model takes it whole", pixels.num_tiles()));
  }
  SACCADE_RETURN_IF_ERROR(check_size({pixels.width(), pixels.height()}));
  const int64_t cell_rows = pixels.height() / pixels_per_cell();
  const int64_t cell_cols = pixels.width() / pixels_per_cell();
  SACCADE_RETURN_IF_ERROR(check_plan(requested, cell_rows * cell_cols, num_layers()));
  const EncodePlan plan = simplified(requested);
  const Stopwatch encode_time;
  PatchOrder order =
      order_patches(cell_rows * merge_size_, cell_cols * merge_size_, merge_size_, windows_.window_cells);
  if (!plan.is_seen.empty()) order = keep_seen(order, plan.is_seen);
  WorkProgress progress(report, work(order, plan));
  SACCADE_ASSIGN_OR_RETURN(Tensor embedded, embed(pixels, order, pool, progress));
  SACCADE_ASSIGN_OR_RETURN(TowerResult features, run_blocks(std::move(embedded), order, plan, pool, progress));
  trace.encode_ms = encode_time.elapsed_ms();

  const Stopwatch project_time;
  SACCADE_ASSIGN_OR_RETURN(const Tensor merged, merge(features.hidden, pool, progress));
  MediaTokens tokens = arrange(merged, features, order, make_token_grid(cell_rows, cell_cols).extent, plan);
  SACCADE_RETURN_IF_ERROR(progress.finish());
  trace.multiply_adds = progress.done_work();
  trace.project_ms = project_time.elapsed_ms();
  if (trace.keep_tensors) {
    trace.encoder_output = std::move(features.hidden);
    trace.projector_output = tokens.vectors.clone();
  }
  std::vector<MediaPiece> pieces;
  pieces.emplace_back(std::move(tokens));
  return pieces;
}

}  // namespace

Expected<VisionEncoderPtr> load_qwen2_vl(const ModelFiles& files, int64_t model_dim) {
  return Qwen2Vl::load(files, model_dim, Generation::kQwen2);
}

Expected<VisionEncoderPtr> load_qwen2_5_vl(const ModelFiles& files, int64_t model_dim) {
  return Qwen2Vl::load(files, model_dim, Generation::kQwen25);
}

}  // namespace saccade
