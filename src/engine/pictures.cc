#include "engine/pictures.h"

#include <xxhash.h>

#include <algorithm>
#include <numeric>

#include "base/format.h"
#include "compression/apply_reduction.h"
#include "engine/skip_order.h"
#include "engine/stage_timer.h"
#include "media/content_crop.h"
#include "media/patch_pruning.h"
#include "media/resolution.h"

namespace saccade {
namespace {

// A JPEG decoded at barely the size it is resized to has lost more than the resizing would take: worst 38.8 dB, with
// this margin 47.7 dB (docs/decisions/jpegs_are_decoded_small.md).
constexpr double kReductionMargin = 1.5;

constexpr const char* kDefaultStrategy = "divprune";

ImageSize enlarged(ImageSize size, double factor) {
  return {static_cast<int>(size.width * factor), static_cast<int>(size.height * factor)};
}

Status in_picture(const Picture& picture, const Status& status) {
  return status.with_context(picture.media.name());
}

Status plan_layout(Picture& picture) {
  const auto layout = plan_pixels(picture.facts.size, picture.spec);
  if (!layout) return in_picture(picture, layout.status());
  picture.layout = *layout;
  return {};
}

Expected<Picture> open_picture(const ContentPart& part, PixelSpec spec, const ImageLimits& limits) {
  SACCADE_ASSIGN_OR_RETURN(MediaBytes media, MediaBytes::open(part, limits.max_file_bytes));
  Picture picture = {std::move(media), {}, std::move(spec), {}, {}};
  const auto header = probe_image(picture.media.bytes(), limits);
  if (!header) return in_picture(picture, header.status());
  picture.facts.size = {header->width, header->height};
  picture.facts.spec = picture.spec;
  picture.facts.digest = XXH3_64bits(picture.media.bytes().data(), picture.media.bytes().size());
  SACCADE_RETURN_IF_ERROR(plan_layout(picture));
  return picture;
}

// The question: the text of the last message, as the decoder embeds its tokens.
Tensor embed_question(const Model& model, const Request& request) {
  std::vector<TokenId> tokens;
  for (const ContentPart& part : request.messages.back().content) {
    if (part.kind != ContentPart::Kind::kText) continue;
    const std::vector<TokenId> more = model.tokenizer->encode(part.text);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  if (tokens.empty()) return {};
  Tensor rows({static_cast<int64_t>(tokens.size()), model.decoder->config().model_dim});
  for (size_t i = 0; i < tokens.size(); ++i) model.decoder->embed(tokens[i], rows.row(static_cast<int64_t>(i)));
  return rows;
}

uint64_t digest_of(const LookPlan& look) {
  const Plan& plan = look.plan;
  if (plan.looks_at_everything()) return 0;
  std::string text =
      format("%d %d %d %lld %g %g %s %lld %g %d %llu", plan.resolution.value_or(-1), plan.crops_margins ? 1 : 0,
             plan.skip_equal.value_or(-1), static_cast<long long>(plan.merge), plan.encoder_keep.value_or(-1),
             plan.encoder_layers.value_or(-1), look.strategy == nullptr ? "" : std::string(look.strategy->name).c_str(),
             static_cast<long long>(plan.keep.value_or(-1)), plan.keep_threshold.value_or(-1),
             plan.repacks_positions ? 1 : 0, static_cast<unsigned long long>(plan.seed));
  const std::span<const float> query = look.query.is_empty() ? std::span<const float>() : look.query.floats();
  const uint64_t words = query.empty() ? 0 : XXH3_64bits(query.data(), query.size_bytes());
  return XXH3_64bits_withSeed(text.data(), text.size(), words) | 1;
}

Status check_look(const Model& model, const Plan& plan) {
  if (plan.resolution && *plan.resolution < 1) return invalid_argument("resolution must be at least 1 pixel");
  if (plan.skip_equal && (*plan.skip_equal < 0 || *plan.skip_equal > 255)) {
    return invalid_argument(format("skip_equal is %d; it must be 0 to 255 levels", *plan.skip_equal));
  }
  if (plan.merge < 0 || plan.merge > 1 << 14) return invalid_argument("merge must be 0 or more pairs");
  if (plan.keep && *plan.keep < 1) return invalid_argument("keep must be 1 or more tokens");
  if (plan.encoder_keep) SACCADE_RETURN_IF_ERROR(check_share("encoder_keep", *plan.encoder_keep));
  if (plan.encoder_layers) {
    SACCADE_RETURN_IF_ERROR(check_share("encoder_layers", *plan.encoder_layers));
    if (model.encoder_skip_order.empty()) {
      return unsupported("encoder_layers was asked for, but the vision tower was not trained to leave layers out");
    }
  }
  if (plan.repacks_positions && model.decoder->config().rope.is_multidimensional()) {
    return unsupported("positions of rows and columns (M-RoPE) can't be repacked");
  }
  return {};
}

Expected<EncodePlan> make_encode_plan(const Model& model, const LookPlan& look, const PixelBatch& pixels,
                                      ThreadPool& pool) {
  const Plan& plan = look.plan;
  EncodePlan encode;
  if (plan.skip_equal) {
    const int side = model.vision->cell_side();
    const PatchPruning pruning = prune_equal_patches(pixels, {side, side}, normalization_of(model.vision->pixel_spec()),
                                                     {*plan.skip_equal}, pool);
    const std::vector<int32_t> cells = model.vision->token_cells(pixels);
    for (const int32_t cell : cells) {
      encode.is_seen.push_back(cell < 0 ? 1 : pruning.is_seen[static_cast<size_t>(cell)]);
      encode.weights.push_back(cell < 0 ? 1 : pruning.weights[static_cast<size_t>(cell)]);
    }
  }
  if (plan.encoder_layers) {
    encode.runs_layer = runs_by_order(model.encoder_skip_order, *plan.encoder_layers, model.vision->num_layers());
  }
  if (plan.merge > 0) encode.merges = {static_cast<int>(plan.merge)};
  if (plan.encoder_keep) {
    encode.drop = LayerDrop();
    encode.drop->keep_share = *plan.encoder_keep;
    encode.drop->layer_idx = std::max(1, std::min(encode.drop->layer_idx, model.vision->num_layers() / 3));
  }
  if (look.strategy != nullptr) {
    encode.wants_class_attention = look.strategy->class_attention != Need::kNone;
    encode.wants_keys = look.strategy->keys != Need::kNone;
  }
  return encode;
}

std::vector<const MediaTokens*> grids_of(const std::vector<MediaPiece>& pieces) {
  std::vector<const MediaTokens*> grids;
  for (const MediaPiece& piece : pieces) {
    if (const auto* tokens = std::get_if<MediaTokens>(&piece)) grids.push_back(tokens);
  }
  return grids;
}

int64_t count_tokens(const std::vector<const MediaTokens*>& grids) {
  int64_t count = 0;
  for (const MediaTokens* grid : grids) count += static_cast<int64_t>(grid->places.size());
  return count;
}

// Among the laid out tokens of the grid.
std::vector<int32_t> kept_cells(const MediaTokens& grid) {
  if (!grid.cells.empty()) return grid.cells;
  std::vector<int32_t> all(static_cast<size_t>(grid.vectors.is_empty() ? 0 : grid.vectors.shape()[0]));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

Status compress(const LookPlan& look, ThreadPool& pool, std::vector<MediaPiece>& pieces) {
  const std::vector<const MediaTokens*> grids = grids_of(pieces);
  const PictureTokens joined(grids);
  const TensorView query = look.query.is_empty() ? TensorView() : look.query.view();
  const CompressionInput input = joined.input(query);
  CompressionOptions options;
  options.keep = std::min(look.plan.keep.value_or(0), input.num_tokens());
  options.threshold = look.plan.keep_threshold;
  options.seed = look.plan.seed;
  SACCADE_ASSIGN_OR_RETURN(const Reduction reduction, reduce(pool, *look.strategy, input, options));
  std::vector<MediaTokens> reduced = apply_reduction(pool, reduction, grids);
  size_t grid_idx = 0;
  for (MediaPiece& piece : pieces) {
    if (auto* tokens = std::get_if<MediaTokens>(&piece)) *tokens = std::move(reduced[grid_idx++]);
  }
  return {};
}

}  // namespace

void Picture::tell_layout(PictureReceipt& told) const {
  told.resized_width = layout.resized.width;
  told.resized_height = layout.resized.height;
  told.num_tiles = layout.num_tiles;
}

bool LookPlan::keeps_layout() const {
  return !plan.crops_margins && !plan.skip_equal && plan.merge == 0 && strategy == nullptr;
}

Expected<LookPlan> make_look_plan(const Model& model, const Request& request) {
  LookPlan look;
  look.plan = request.plan;
  if (request.plan.looks_at_everything()) return look;
  if (model.vision == nullptr) return look;  // there is no picture to look at
  SACCADE_RETURN_IF_ERROR(check_look(model, request.plan));
  if (request.plan.keep || request.plan.keep_threshold || !request.plan.strategy.empty()) {
    const std::string name = request.plan.strategy.empty() ? kDefaultStrategy : request.plan.strategy;
    SACCADE_ASSIGN_OR_RETURN(look.strategy, find_strategy(name));
    if (!request.plan.keep && !look.strategy->decides_count) {
      return invalid_argument("strategy " + quote(name) + " needs to know how many tokens to keep; give keep");
    }
    if (look.strategy->query != Need::kNone) look.query = embed_question(model, request);
  }
  look.digest = digest_of(look);
  return look;
}

Expected<std::vector<Picture>> open_pictures(const Request& request, const Model& model, const ImageLimits& limits) {
  std::vector<Picture> pictures;
  for (const Message& message : request.messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind != ContentPart::Kind::kImage) continue;
      if (model.vision == nullptr) {
        return invalid_argument("the request has a picture, but " + model.files->language_file().path() +
                                " is a language model alone; give its vision part with --mmproj FILE");
      }
      PixelSpec spec = model.vision->pixel_spec();
      if (request.plan.resolution) spec = with_resolution(spec, *request.plan.resolution, model.vision->cell_side());
      SACCADE_ASSIGN_OR_RETURN(Picture picture, open_picture(part, std::move(spec), limits));
      pictures.push_back(std::move(picture));
    }
  }
  return pictures;
}

Expected<PixelBatch> read_pixels(const PictureOptions& options, const Plan& plan, ThreadPool& pool, Picture& picture,
                                 StageTimes& stages) {
  const ImageSize smallest =
      options.has_exact_pixels ? picture.facts.size : enlarged(picture.layout.resized, kReductionMargin);
  DecodedImage decoded;
  {
    const StageTimer timer(stages.media_decode);
    auto read = decode_reduced(picture.media.bytes(), smallest, options.limits);
    if (!read) return in_picture(picture, read.status());
    decoded = *std::move(read);
  }
  const StageTimer timer(stages.resize);
  if (plan.crops_margins) {
    const ContentCrop crop = find_content(decoded);
    if (crop.is_cut) {
      decoded = cut(decoded, crop);
      picture.facts.size = decoded.original;
      SACCADE_RETURN_IF_ERROR(plan_layout(picture));
    }
  }
  auto pixels = prepare_pixels(decoded, picture.spec, pool);
  if (!pixels) return in_picture(picture, pixels.status());
  return pixels;
}

Status encode_picture(const Model& model, const PictureOptions& options, const LookPlan& look, ThreadPool& pool,
                      const ProgressFunction& progress, Picture& picture, PictureReceipt& told, Receipt& receipt) {
  StageTimes& stages = receipt.stages_ms;
  SACCADE_ASSIGN_OR_RETURN(const PixelBatch pixels, read_pixels(options, look.plan, pool, picture, stages));
  picture.tell_layout(told);
  EncodePlan encode;
  {
    const StageTimer timer(stages.compress);
    SACCADE_ASSIGN_OR_RETURN(encode, make_encode_plan(model, look, pixels, pool));
  }
  const Stopwatch clock;
  EncodeTrace trace;
  auto pieces = model.vision->encode(pixels, encode, pool, trace, progress);
  stages.project += trace.project_ms;
  stages.encode += clock.elapsed_ms() - trace.project_ms;  // the time of an encode that was stopped, too
  if (!pieces) return in_picture(picture, pieces.status());
  picture.pieces = *std::move(pieces);
  receipt.flops.encode += 2 * trace.multiply_adds;
  told.encoded_tokens = count_tokens(grids_of(picture.pieces));
  if (look.strategy != nullptr) {
    const StageTimer timer(stages.compress);
    if (Status status = compress(look, pool, picture.pieces); !status.is_ok()) return in_picture(picture, status);
  }
  picture.facts.kept.clear();
  if (!look.keeps_layout()) {
    for (const MediaTokens* grid : grids_of(picture.pieces)) picture.facts.kept.push_back(kept_cells(*grid));
  }
  return {};
}

const MediaTokens* find_vectors(const std::vector<Picture>& pictures, const MediaRun& run) {
  int media_idx = 0;
  for (const MediaPiece& piece : pictures[static_cast<size_t>(run.picture_idx)].pieces) {
    const auto* tokens = std::get_if<MediaTokens>(&piece);
    if (tokens != nullptr && media_idx++ == run.media_idx) return tokens;
  }
  return nullptr;
}

}  // namespace saccade
