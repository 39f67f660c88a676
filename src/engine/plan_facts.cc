#include "engine/plan_facts.h"

#include <algorithm>
#include <iterator>

#include "engine/picture_texts.h"

namespace saccade {
namespace {

// What is wrong more often than right is no answer, however fast; so is what was not tried.
constexpr double kMostBlindLoss = 0.5;

double area(ImageSize size) {
  return static_cast<double>(size.width) * static_cast<double>(size.height);
}

// Of all pictures that are to be looked at, `scale` times as finely as `plan` says.
Expected<LookChoice> look_at(const Model& model, const Planning& planning, std::span<Picture> pictures,
                             std::span<const PictureUse> uses, const Plan& plan, double scale) {
  LookChoice look = {.scale = scale};
  Plan scaled = plan;
  if (scale < 1) scaled.scale = scale;
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (uses[i] != PictureUse::kLook) continue;
    Picture& picture = pictures[i];
    SACCADE_RETURN_IF_ERROR(set_fineness(scaled, picture));
    SACCADE_RETURN_IF_ERROR(add_picture(model, planning.costs.shape(), picture, look));
  }
  return look;
}

bool is_finer_set(const Plan& plan) {
  return plan.picture_tokens || plan.scale || plan.resolution || plan.crops_margins;
}

// What the request's plan says of a lever is the only option.
void keep_fixed(const Plan& plan, double num_tokens, LeverOptions& options) {
  const auto fix = [&](Lever lever, double value) { options_of(options, lever) = {value}; };
  if (plan.skip_equal) {
    size_t nearest = 0;
    for (size_t i = 1; i < kSkips.size(); ++i) {
      if (*plan.skip_equal >= kSkips[i].levels && plan.skip_equal_margin <= kSkips[i].margin) nearest = i;
    }
    fix(Lever::kSkip, static_cast<double>(nearest));
  }
  if (plan.encoder_layers) fix(Lever::kEncoderLayers, *plan.encoder_layers);
  if (plan.keep_share) fix(Lever::kKeep, *plan.keep_share);
  if (plan.keep && num_tokens > 0) fix(Lever::kKeep, std::min(1.0, static_cast<double>(*plan.keep) / num_tokens));
  if (plan.keep_threshold || (!plan.strategy.empty() && !plan.keep && !plan.keep_share)) fix(Lever::kKeep, 1);
  if (plan.layers) fix(Lever::kLayers, *plan.layers);
}

// What the request says itself, at the detail of the picture that has another than the full plan's.
Plan own_plan(const Plan& plan, std::span<const Picture> pictures) {
  Plan own = plan;
  for (const Picture& picture : pictures) {
    if (picture.fineness.detail != Detail::kHigh) own.detail = picture.fineness.detail;
  }
  return own;
}

}  // namespace

Status add_picture(const Model& model, const ModelShape& shape, const Picture& picture, LookChoice& look) {
  SACCADE_ASSIGN_OR_RETURN(const int64_t num_tokens, count_laid_out(model, picture));
  const auto num_patches = static_cast<double>(num_tokens * shape.tower->patches_per_token);
  look.tokens += static_cast<double>(num_tokens);
  look.patches += num_patches;
  look.tiles += picture.layout.num_tiles;
  look.resized_pixels += picture.layout.num_tiles * area(picture.layout.tile);
  look.decoded_pixels += most_decoded_pixels(picture);
  if (num_patches > look.largest_patches) {
    look.largest_patches = num_patches;
    look.largest_tiles = picture.layout.num_tiles;
  }
  return {};
}

std::string question_of(const Request& request) {
  std::string question;
  for (const ContentPart& part : request.messages.back().content) {
    if (part.kind == ContentPart::Kind::kText) question += part.text + " ";
  }
  return question;
}

Expected<PlanRequest> describe(const Model& model, const Planning& planning, const Request& request,
                               std::span<Picture> pictures, int64_t text_rows) {
  PlanRequest described;
  described.budget = request.budget;
  described.options = planning.options;
  described.weights = planning.weights;
  described.price = planning.price.value_or(Price());
  described.own = own_plan(request.plan, pictures);
  described.strategy = planning.strategy;
  described.task_class = planning.rules.classify(question_of(request));
  PlanFacts& facts = described.facts;
  facts.text_rows = static_cast<double>(text_rows);
  facts.freezes_visual = planning.freezes_visual;
  facts.share_seen = planning.share_seen;
  facts.share_seen[0] = 1;
  const LengthForecast length = planning.lengths.forecast(described.task_class, request.max_tokens);
  facts.expected_tokens = length.median;
  facts.p95_tokens = length.p95;
  facts.max_tokens = static_cast<double>(request.max_tokens);
  if (pictures.empty()) {
    for (const Lever lever : {Lever::kSkip, Lever::kEncoderLayers, Lever::kKeep}) {
      options_of(described.options, lever).resize(1);
    }
    if (request.plan.layers) options_of(described.options, Lever::kLayers) = {*request.plan.layers};
    return described;
  }
  for (const Picture& picture : pictures) facts.file_pixels += area(picture.original);
  std::vector<double>& scales = options_of(described.options, Lever::kScale);
  scales.clear();
  const std::vector<PictureUse> all(pictures.size(), PictureUse::kLook);
  for (const double scale : kScales) {
    SACCADE_ASSIGN_OR_RETURN(const LookChoice look, look_at(model, planning, pictures, all, request.plan, scale));
    if (!facts.looks.empty() && look.tokens >= facts.looks.back().tokens) continue;
    facts.looks.push_back(look);
    scales.push_back(scale);
    if (is_finer_set(request.plan)) break;
  }
  keep_fixed(request.plan, facts.looks.front().tokens, described.options);
  return described;
}

Status add_substitutes(const Model& model, const Planning& planning, const Request& request,
                       std::span<Picture> pictures, std::span<const std::optional<double>> text_rows,
                       PlanRequest& described) {
  const bool is_open = request.plan.pictures == PictureUse::kLook && request.plan.earlier_pictures == PictureUse::kLook;
  if (pictures.empty() || !is_open) return {};
  PlanFacts& facts = described.facts;
  for (size_t setting = 1; setting < kPictureUses.size(); ++setting) {
    Levers levers;
    levers[Lever::kPictures] = static_cast<double>(setting);
    const ClassQuality& quality = planning.quality.of(described.task_class);
    if (expected_loss(quality, Lever::kPictures, levers[Lever::kPictures]) > kMostBlindLoss) continue;
    const std::vector<PictureUse> uses = picture_uses(request, to_plan(levers, {}, planning.strategy));
    PictureChoice choice = {.looks = {}, .file_pixels = 0, .text_rows = facts.text_rows};
    bool is_possible = std::ranges::count(uses, PictureUse::kLook) < std::ssize(uses);
    for (size_t i = 0; i < uses.size(); ++i) {
      if (uses[i] == PictureUse::kLook) choice.file_pixels += area(pictures[i].original);
      if (uses[i] == PictureUse::kText) choice.text_rows += text_rows[i].value_or(0);
      is_possible = is_possible && (uses[i] != PictureUse::kText || text_rows[i]);
    }
    if (!is_possible) continue;
    if (choice.file_pixels > 0) {
      for (const double scale : options_of(described.options, Lever::kScale)) {
        SACCADE_ASSIGN_OR_RETURN(const LookChoice look, look_at(model, planning, pictures, uses, request.plan, scale));
        choice.looks.push_back(look);
      }
    }
    facts.instead[levers[Lever::kPictures]] = std::move(choice);
    options_of(described.options, Lever::kPictures).push_back(levers[Lever::kPictures]);
  }
  return {};
}

}  // namespace saccade
