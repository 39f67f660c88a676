#include "engine/pictures.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/format.h"
#include "compression/apply_reduction.h"
#include "engine/skip_order.h"
#include "engine/stage_timer.h"
#include "media/content_crop.h"
#include "media/paint.h"
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

// The coarsest of what is asked for.
Expected<PixelSpec> spec_for(const Fineness& fineness, ImageSize size) {
  SACCADE_ASSIGN_OR_RETURN(PixelSpec spec, with_detail(fineness.whole, size, fineness.detail, fineness.cell_px));
  if (fineness.max_tokens) {
    SACCADE_ASSIGN_OR_RETURN(spec, with_max_tokens(spec, size, *fineness.max_tokens, fineness.cell_px));
  }
  if (fineness.scale) {
    SACCADE_ASSIGN_OR_RETURN(const PixelLayout layout, plan_pixels(size, spec));
    const int longest_side = std::max(layout.resized.width, layout.resized.height);
    spec = with_resolution(spec, static_cast<int>(std::lround(*fineness.scale * longest_side)), fineness.cell_px);
  }
  return fineness.longest_side_px ? with_resolution(spec, *fineness.longest_side_px, fineness.cell_px) : spec;
}

// Of a picture of facts.size, which a crop changes.
Status plan_layout(Picture& picture) {
  auto spec = spec_for(picture.fineness, picture.facts.size);
  if (!spec) return in_picture(picture, spec.status());
  picture.spec = *std::move(spec);
  picture.facts.spec = picture.spec;
  const auto layout = plan_pixels(picture.facts.size, picture.spec);
  if (!layout) return in_picture(picture, layout.status());
  picture.layout = *layout;
  return {};
}

void set_size(ImageSize size, Detail detail, const Model& model, Picture& picture) {
  picture.original = size;
  picture.fineness.whole = model.vision->pixel_spec();
  picture.fineness.cell_px = model.vision->cell_side();
  picture.fineness.detail = detail;
  picture.facts.size = size;
}

Expected<Picture> open_picture(const ContentPart& part, const Model& model, const Plan& plan,
                               const PictureOptions& options) {
  SACCADE_ASSIGN_OR_RETURN(MediaBytes media, MediaBytes::open(part, options.limits.max_file_bytes));
  Picture picture = {.media = std::move(media), .original = {}, .media_digest = 0, .facts = {}};
  const auto header = probe_image(picture.media.bytes(), options.limits);
  if (!header) return in_picture(picture, header.status());
  picture.decodes_small = header->format == ImageFormat::kJpeg && !options.has_exact_pixels;
  const Detail detail = part.detail.value_or(plan.detail);
  set_size({header->width, header->height}, detail, model, picture);
  const std::span<const std::byte> bytes = picture.media.bytes();
  // Rows that were computed for one request are taken over by another's: of SHA-256, so that nobody can make a picture
  // that passes for somebody else's.
  picture.content = sha256_of(bytes);
  picture.media_digest =
      XXH3_64bits_withSeed(picture.content.data(), picture.content.size(), static_cast<uint64_t>(detail));
  SACCADE_RETURN_IF_ERROR(set_fineness(plan, picture));
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
  std::string text = format(
      "%lld %a %d %d %d %d %lld %a %a %s %lld %a %a %d %llu", static_cast<long long>(plan.picture_tokens.value_or(-1)),
      plan.scale.value_or(-1), plan.resolution.value_or(-1), plan.crops_margins ? 1 : 0, plan.skip_equal.value_or(-1),
      plan.skip_equal_margin, static_cast<long long>(plan.merge), plan.encoder_keep.value_or(-1),
      plan.encoder_layers.value_or(-1), look.strategy == nullptr ? "" : std::string(look.strategy->name).c_str(),
      static_cast<long long>(plan.keep.value_or(-1)), plan.keep_share.value_or(-1), plan.keep_threshold.value_or(-1),
      plan.repacks_positions ? 1 : 0, static_cast<unsigned long long>(plan.seed));
  const std::span<const float> query = look.query.is_empty() ? std::span<const float>() : look.query.floats();
  const uint64_t words = query.empty() ? 0 : XXH3_64bits(query.data(), query.size_bytes());
  return XXH3_64bits_withSeed(text.data(), text.size(), words) | 1;
}

// What a request leaves unset: the model's own strategy, or ours where some tokens are to be kept.
Plan with_defaults(const Model& model, Plan plan) {
  if (model.own_strategy != nullptr) {
    if (plan.strategy.empty()) plan.strategy = model.own_strategy->name;
    plan.repacks_positions = true;  // as it was trained, whoever chooses
  } else if (plan.strategy.empty() && (plan.keep || plan.keep_share || plan.keep_threshold)) {
    plan.strategy = kDefaultStrategy;
  }
  return plan;
}

Status check_look(const Plan& plan) {
  if (plan.picture_tokens && *plan.picture_tokens < 1) return invalid_argument("picture_tokens must be 1 or more");
  if (plan.resolution && *plan.resolution < 1) return invalid_argument("resolution must be at least 1 pixel");
  if (plan.skip_equal && (*plan.skip_equal < 0 || *plan.skip_equal > 255)) {
    return invalid_argument(format("skip_equal is %d; it must be 0 to 255 levels", *plan.skip_equal));
  }
  if (plan.skip_equal_margin < 0 || plan.skip_equal_margin > 1000) {
    return invalid_argument(format("skip_equal_margin is %d; it must be 0 to 1000 parts", plan.skip_equal_margin));
  }
  if (plan.merge < 0 || plan.merge > 1 << 14) return invalid_argument("merge must be 0 or more pairs");
  if (plan.scale) SACCADE_RETURN_IF_ERROR(check_share("scale", *plan.scale));
  if (plan.keep_share) SACCADE_RETURN_IF_ERROR(check_share("keep_share", *plan.keep_share));
  if (plan.keep && *plan.keep < 1) return invalid_argument("keep must be 1 or more tokens");
  if (plan.keep_threshold && !std::isfinite(*plan.keep_threshold)) {
    return invalid_argument("keep_threshold is not a number");
  }
  if (plan.encoder_keep) SACCADE_RETURN_IF_ERROR(check_share("encoder_keep", *plan.encoder_keep));
  if (plan.encoder_keep && plan.merge > 0) {
    return invalid_argument("merge and encoder_keep are two ways to the same end; ask for one of them");
  }
  if (plan.encoder_layers) SACCADE_RETURN_IF_ERROR(check_share("encoder_layers", *plan.encoder_layers));
  return {};
}

Status check_model_can(const Model& model, const LookPlan& look) {
  const Plan& plan = look.plan;
  if (plan.encoder_layers && model.encoder_skip_order.empty()) {
    return unsupported("encoder_layers was asked for, but the vision tower was not trained to leave layers out");
  }
  if (look.strategy != nullptr && !model.can_choose_by(*look.strategy)) {
    return unsupported("strategy " + quote(plan.strategy) +
                       " needs a model that brings a scorer of its tokens; use divprune");
  }
  if (plan.repacks_positions && model.decoder->config().rope.is_multidimensional()) {
    return unsupported("positions of rows and columns (M-RoPE) can't be repacked");
  }
  return {};
}

// Which tokens are looked at where parts that equal their neighbours are not. Of parts that only padding shows, which
// is no token (LLaVA-1.6), the first is looked at for the others.
void skip_equal(const Model& model, const Plan& plan, const PixelBatch& pixels, ThreadPool& pool,
                const Picture& picture, EncodePlan& encode, TokenFates& fates) {
  const int side = model.vision->cell_side();
  const PatchPruning pruning =
      with_margin(prune_equal_patches(pixels, {side, side}, normalization_of(picture.spec), {*plan.skip_equal}, pool),
                  pixels.height() / side, pixels.width() / side, plan.skip_equal_margin);
  const std::vector<int32_t> cells = model.vision->token_cells(picture.facts.size, picture.layout);
  std::vector<int32_t> token_of(pruning.is_seen.size(), kNotShown);  // that shows the cell
  for (size_t i = 0; i < cells.size(); ++i) {
    const auto cell = static_cast<size_t>(std::max(cells[i], 0));
    if (cells[i] >= 0 && pruning.is_seen[cell] != 0) token_of[cell] = static_cast<int32_t>(i);
  }
  encode.is_seen.assign(cells.size(), 0);
  encode.weights.assign(cells.size(), 0);
  for (size_t i = 0; i < cells.size(); ++i) {
    auto token = static_cast<int32_t>(i);
    if (cells[i] >= 0) {
      const auto shown_by = static_cast<size_t>(pruning.stands_for[static_cast<size_t>(cells[i])]);
      if (token_of[shown_by] == kNotShown) token_of[shown_by] = token;
      token = token_of[shown_by];
    }
    encode.is_seen[static_cast<size_t>(token)] = 1;
    encode.weights[static_cast<size_t>(token)] += 1;
    fates.shown_by[i] = token;
  }
}

EncodePlan make_encode_plan(const Model& model, const LookPlan& look, const PixelBatch& pixels, ThreadPool& pool,
                            Picture& picture) {
  const Plan& plan = look.plan;
  EncodePlan encode;
  if (plan.skip_equal) skip_equal(model, plan, pixels, pool, picture, encode, picture.fates);
  set_layers(model, look, encode);
  if (plan.merge > 0) encode.merges = {static_cast<int>(plan.merge)};
  if (plan.encoder_keep) {
    encode.drop = LayerDrop();
    encode.drop->keep_share = *plan.encoder_keep;
    encode.drop->layer_idx = std::max(1, std::min(encode.drop->layer_idx, model.vision->num_layers() / 3));
  }
  if (look.strategy != nullptr) add_needs(*look.strategy, encode);
  return encode;
}

// What was cut off around a picture.
void add_margins(ImageSize original, const Window& crop, PictureLook& look) {
  const double width = original.width;
  const double height = original.height;
  const double right = crop.left + crop.size.width;
  const double bottom = crop.top + crop.size.height;
  const Box margins[] = {{0, 0, width, static_cast<double>(crop.top)},
                         {0, bottom, width, height - bottom},
                         {0, static_cast<double>(crop.top), static_cast<double>(crop.left), bottom - crop.top},
                         {right, static_cast<double>(crop.top), width - right, bottom - crop.top}};
  for (const Box& box : margins) {
    if (box.width <= 0 || box.height <= 0) continue;
    look.cells.push_back({box.left, box.top, box.width, box.height, CellState::kDropped, kNotShown});
  }
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

// Tokens of a picture that the plan keeps; none where that is up to the strategy.
std::optional<int64_t> num_kept(const Plan& plan, int64_t num_laid_out) {
  if (plan.keep || !plan.keep_share) return plan.keep;
  return std::max<int64_t>(1, std::llround(*plan.keep_share * static_cast<double>(num_laid_out)));
}

Status compress(const Model& model, const LookPlan& look, ThreadPool& pool, Picture& picture) {
  const std::vector<const MediaTokens*> grids = grids_of(picture.pieces);
  const PictureTokens joined(grids);
  const TensorView query = look.query.is_empty() ? TensorView() : look.query.view();
  CompressionInput input = joined.input(query);
  const std::optional<int64_t> keep = num_kept(look.plan, static_cast<int64_t>(picture.fates.shown_by.size()));
  if (keep && *keep >= input.num_tokens() && !look.plan.keep_threshold) return {};
  std::vector<float> question_scores;
  if (look.strategy->question_scores != Need::kNone && model.token_scorer != nullptr) {
    question_scores = model.token_scorer->score(pool, input.vectors, query);
    input.question_scores = question_scores;
  }
  CompressionOptions options;
  options.keep = std::min(keep.value_or(0), input.num_tokens());
  options.threshold = look.plan.keep_threshold;
  options.seed = look.plan.seed;
  SACCADE_ASSIGN_OR_RETURN(Reduction of_input, reduce(pool, *look.strategy, input, options));
  const Reduction reduction = joined.with_fixed(std::move(of_input));
  std::vector<MediaTokens> reduced = apply_reduction(pool, reduction, grids);
  follow_reduction(reduction, grids, picture.fates);
  size_t grid_idx = 0;
  for (MediaPiece& piece : picture.pieces) {
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
  return !may_change && !plan.crops_margins && !plan.skip_equal && plan.merge == 0 && strategy == nullptr;
}

Expected<LookPlan> make_look_plan(const Model& model, const Request& request, const Plan& plan) {
  LookPlan look;
  look.plan = with_defaults(model, plan);
  SACCADE_RETURN_IF_ERROR(check_look(look.plan));
  if (look.plan.looks_at_everything()) return look;
  if (const std::string& name = look.plan.strategy; !name.empty()) {
    SACCADE_ASSIGN_OR_RETURN(look.strategy, find_strategy(name));
    if (!look.plan.keep && !look.plan.keep_share && !look.strategy->decides_count) {
      return invalid_argument("strategy " + quote(name) + " needs to know how many tokens to keep; give keep");
    }
    if (look.strategy->query != Need::kNone) look.query = embed_question(model, request);
    if (look.strategy->query == Need::kRequired && look.query.is_empty()) {
      return invalid_argument("strategy " + quote(name) + " needs a question; use divprune where there is none");
    }
  }
  if (model.vision == nullptr) return look;  // there is no picture to look at
  SACCADE_RETURN_IF_ERROR(check_model_can(model, look));
  look.digest = digest_of(look);
  return look;
}

void set_look(const LookPlan& look, Picture& picture) {
  picture.facts.digest = picture.media_digest ^ look.digest;
  picture.facts.is_repacked = look.plan.repacks_positions;
}

Status set_fineness(const Plan& plan, Picture& picture) {
  picture.fineness.max_tokens = plan.picture_tokens;
  picture.fineness.scale = plan.scale;
  picture.fineness.longest_side_px = plan.resolution;
  return plan_layout(picture);
}

double most_decoded_pixels(const Picture& picture) {
  const auto area = [](ImageSize size) { return static_cast<double>(size.width) * size.height; };
  const double whole = area(picture.original);
  if (!picture.decodes_small) return whole;
  // At less than twice what is needed, on each side, and no less than an eighth.
  const double needed = picture.layout.num_tiles * area(picture.layout.tile) * kReductionMargin * kReductionMargin;
  return std::min(whole, std::max(whole / 64, 4 * needed));
}

Expected<std::vector<Picture>> open_pictures(const Request& request, const Model& model,
                                             const PictureOptions& options) {
  std::vector<Picture> pictures;
  for (const Message& message : request.messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind != ContentPart::Kind::kImage) continue;
      if (model.vision == nullptr) {
        return invalid_argument("the request has a picture, but " + model.files->language_file().path() +
                                " is a language model alone; give its vision part with --mmproj FILE");
      }
      SACCADE_ASSIGN_OR_RETURN(Picture picture, open_picture(part, model, request.plan, options));
      pictures.push_back(std::move(picture));
    }
  }
  return pictures;
}

Expected<Picture> imagine_picture(ImageSize size, const Model& model, const Plan& plan) {
  const std::string name = format("a picture of %d x %d pixels", size.width, size.height);
  Picture picture = {.media = MediaBytes(name), .original = {}, .media_digest = 0, .facts = {}};
  set_size(size, plan.detail, model, picture);
  SACCADE_RETURN_IF_ERROR(set_fineness(plan, picture));
  return picture;
}

Expected<DecodedImage> decode_picture(const PictureOptions& options, const Plan& plan, Picture& picture,
                                      StageTimes& stages) {
  // What is left within margins becomes as many pixels as the whole would.
  const bool is_whole = options.has_exact_pixels || plan.crops_margins;
  const ImageSize smallest = is_whole ? picture.original : enlarged(picture.layout.resized, kReductionMargin);
  DecodedImage decoded;
  {
    const StageTimer timer(stages.media_decode);
    auto read = decode_reduced(picture.media.bytes(), smallest, options.limits);
    if (!read) return in_picture(picture, read.status());
    decoded = *std::move(read);
  }
  if (!plan.crops_margins) return decoded;
  const StageTimer timer(stages.resize);
  const ContentCrop crop = find_content(decoded);
  if (!crop.is_cut) return decoded;
  decoded = cut(decoded, crop);
  picture.facts.size = decoded.original;
  picture.crop = crop.original;
  SACCADE_RETURN_IF_ERROR(plan_layout(picture));
  return decoded;
}

Expected<PixelBatch> resize_picture(const DecodedImage& decoded, ThreadPool& pool, const Picture& picture,
                                    StageTimes& stages) {
  const StageTimer timer(stages.resize);
  auto pixels = prepare_pixels(decoded, picture.spec, pool);
  if (!pixels) return in_picture(picture, pixels.status());
  return pixels;
}

Expected<PixelBatch> read_pixels(const PictureOptions& options, const Plan& plan, ThreadPool& pool, Picture& picture,
                                 StageTimes& stages) {
  SACCADE_ASSIGN_OR_RETURN(const DecodedImage decoded, decode_picture(options, plan, picture, stages));
  return resize_picture(decoded, pool, picture, stages);
}

Expected<EncodePlan> plan_encoding(const Model& model, const LookPlan& look, const PixelBatch& pixels, ThreadPool& pool,
                                   Picture& picture, StageTimes& stages) {
  const StageTimer timer(stages.compress);
  SACCADE_RETURN_IF_ERROR(begin_fates(model, look, picture));
  return make_encode_plan(model, look, pixels, pool, picture);
}

Status begin_fates(const Model& model, const LookPlan& look, Picture& picture) {
  if (look.keeps_layout()) return {};
  SACCADE_ASSIGN_OR_RETURN(const int64_t num_tokens, count_laid_out(model, picture));
  picture.fates = all_left(num_tokens);
  return {};
}

double measure_skip(const Model& model, const PixelBatch& pixels, ThreadPool& pool, const Picture& picture, int levels,
                    int margin) {
  Plan plan;
  plan.skip_equal = levels;
  plan.skip_equal_margin = margin;
  EncodePlan encode;
  TokenFates fates =
      all_left(static_cast<int64_t>(model.vision->token_cells(picture.facts.size, picture.layout).size()));
  skip_equal(model, plan, pixels, pool, picture, encode, fates);
  return static_cast<double>(std::ranges::count(encode.is_seen, 1)) / static_cast<double>(encode.is_seen.size());
}

void set_layers(const Model& model, const LookPlan& look, EncodePlan& encode) {
  encode.runs_layer.clear();
  if (!look.plan.encoder_layers) return;
  encode.runs_layer = runs_by_order(model.encoder_skip_order, *look.plan.encoder_layers, model.vision->num_layers());
}

int64_t num_seen(const EncodePlan& encode, int64_t num_laid_out) {
  return encode.is_seen.empty() ? num_laid_out : std::ranges::count(encode.is_seen, 1);
}

Status encode_picture(const Model& model, const EncodePlan& encode, const PixelBatch& pixels, ThreadPool& pool,
                      const ProgressFunction& progress, Picture& picture, PictureReceipt& told, Receipt& receipt) {
  StageTimes& stages = receipt.stages_ms;
  picture.tell_layout(told);
  const Stopwatch clock;
  EncodeTrace trace;
  auto pieces = model.vision->encode(pixels, encode, pool, trace, progress);
  stages.project += trace.project_ms;
  stages.encode += clock.elapsed_ms() - trace.project_ms;  // the time of an encode that was stopped, too
  if (!pieces) return in_picture(picture, pieces.status());
  picture.pieces = *std::move(pieces);
  receipt.flops.encode += 2 * trace.multiply_adds;
  told.encoded_tokens = count_tokens(grids_of(picture.pieces));
  return {};
}

Status compress_picture(const Model& model, const LookPlan& look, ThreadPool& pool, Picture& picture,
                        StageTimes& stages) {
  if (look.keeps_layout()) return {};
  const StageTimer timer(stages.compress);
  follow_merges(grids_of(picture.pieces), picture.fates);
  if (look.strategy != nullptr) {
    if (Status status = compress(model, look, pool, picture); !status.is_ok()) return in_picture(picture, status);
  }
  picture.facts.kept.clear();
  for (const MediaTokens* grid : grids_of(picture.pieces)) picture.facts.kept.push_back(kept_cells(*grid));
  return {};
}

void add_needs(const Strategy& strategy, EncodePlan& encode) {
  encode.wants_class_attention = strategy.class_attention != Need::kNone;
  encode.wants_keys = strategy.keys != Need::kNone;
}

std::vector<const MediaTokens*> grids_of(const std::vector<MediaPiece>& pieces) {
  std::vector<const MediaTokens*> grids;
  for (const MediaPiece& piece : pieces) {
    if (const auto* tokens = std::get_if<MediaTokens>(&piece)) grids.push_back(tokens);
  }
  return grids;
}

namespace {

Expected<int64_t> count_tokens(const Model& model, ImageSize size, const PixelSpec& spec) {
  SACCADE_ASSIGN_OR_RETURN(const std::vector<LayoutPiece> pieces, model.vision->layout(size, spec));
  int64_t num_tokens = 0;
  for (const LayoutPiece& piece : pieces) {
    if (const auto* grid = std::get_if<TokenGrid>(&piece)) num_tokens += grid->num_tokens;
  }
  return num_tokens;
}

}  // namespace

Expected<int64_t> count_laid_out(const Model& model, const Picture& picture) {
  return count_tokens(model, picture.facts.size, picture.spec);
}

Expected<int64_t> count_full_tokens(const Model& model, const Picture& picture) {
  return count_tokens(model, picture.original, picture.fineness.whole);
}

LookedAt remember(const Picture& picture) {
  return {picture.facts.size, picture.crop, picture.facts.kept, picture.fates};
}

Status recall(const LookedAt& looked_at, Picture& picture) {
  picture.facts.size = looked_at.size;
  picture.facts.kept = looked_at.kept;
  picture.crop = looked_at.crop;
  picture.fates = looked_at.fates;
  return plan_layout(picture);
}

void forget_look(Picture& picture) {
  picture.facts.size = picture.original;
  picture.facts.kept.clear();
  picture.crop.reset();
  picture.fates = {};
}

PictureLook make_picture_look(const Model& model, const Picture& picture) {
  const ImageSize size = picture.facts.size;
  const int side = model.vision->cell_side();
  const ImageSize cell_size = {side, side};
  const std::vector<int32_t> cells = model.vision->token_cells(size, picture.layout);
  const std::vector<Box> boxes = cells_in_picture(size, picture.spec, picture.layout, cell_size);
  const CellRange overview = cells_of_global_view(picture.spec, picture.layout, cell_size);
  const Window crop = picture.crop.value_or(Window{0, 0, picture.original});
  PictureLook look;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (cells[i] < 0 || (cells[i] >= overview.begin && cells[i] < overview.end)) continue;
    const Box& box = boxes[static_cast<size_t>(cells[i])];
    if (box.width <= 0 || box.height <= 0) continue;  // padding
    LookedCell cell = {crop.left + box.left, crop.top + box.top, box.width, box.height};
    cell.group = picture.fates.shown_by.empty() ? static_cast<int32_t>(i) : picture.fates.shown_by[i];
    if (cell.group == kNotShown) {
      cell.state = CellState::kDropped;
    } else if (!picture.fates.shown_by.empty()) {
      const bool is_mixed = picture.fates.is_mixed[static_cast<size_t>(cell.group)] != 0;
      if (is_mixed || cell.group != static_cast<int32_t>(i)) cell.state = CellState::kMerged;
    }
    look.cells.push_back(cell);
  }
  add_margins(picture.original, crop, look);
  return look;
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
