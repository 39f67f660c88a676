#include "engine/sized_workload.h"

#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "engine/decoder_plan.h"
#include "engine/pictures.h"
#include "engine/skip_order.h"

namespace saccade {
namespace {

// Strategies that decide by the picture: 32 of 576 tokens in the mean by PruMerge (arXiv 2403.15388), and by PruMerge+
// what AdaLLaVA's table of it comes to (planner/operators_test.cc).
constexpr double kPruMergeShare = 32.0 / 576;
constexpr double kPruMergePlusShare = 164.0 / 576;

Status check_levers(const Model& model, const Plan& plan) {
  const auto depends = [](const char* lever, const char* on) {
    return unsupported(format("what %s saves depends on what %s; ask a question by that plan instead", lever, on));
  };
  if (plan.skip_equal) return depends("skip-equal", "the picture shows");
  if (plan.crops_margins) return depends("crop-margins", "the picture shows");
  if (plan.keep_threshold) return depends("keep-threshold", "the picture shows");
  if (plan.exit) return depends("exit", "the answer says");
  if (plan.layers) SACCADE_RETURN_IF_ERROR(check_share("layers", *plan.layers));
  if (plan.merge > 0 || plan.encoder_keep) return unsupported("merge and encoder-keep are not analyzed");
  if (plan.encoder_layers && model.encoder_skip_order.empty()) {
    return unsupported("encoder-layers was asked for, but the vision tower was not trained to leave layers out");
  }
  return {};
}

// Control tokens that a family writes around its tiles, as in "\n<fake_token_around_image><row_1_col_1>".
int64_t count_control_tokens(const std::string& text) {
  return std::ranges::count(text, '<') + (text.starts_with('\n') ? 1 : 0);
}

// Of `free` tokens that are part of the picture.
double kept_of(const Model& model, const Plan& plan, double laid_out, double free, std::vector<std::string>& notes) {
  if (plan.keep) return std::min(free, static_cast<double>(*plan.keep));
  if (plan.keep_share) return std::min(free, std::max(1.0, std::round(*plan.keep_share * laid_out)));
  if (model.own_strategy == nullptr || !plan.strategy.empty()) return free;
  const std::string name(model.own_strategy->name);
  const double kept = std::round(free * (name == "prumerge" ? kPruMergeShare : kPruMergePlusShare));
  notes.push_back(format("%s decides by the picture how many visual tokens stay; assumed are %.0f of %.0f",
                         name.c_str(), kept, free));
  return kept;
}

// How wide a window is that a patch lies in, in the mean over `side` patches in windows of `window`, of which the last
// is cut by the edge.
double mean_window(double side, double window) {
  const double num_whole = std::floor(side / window);
  const double rest = side - num_whole * window;
  return (num_whole * window * window + rest * rest) / side;
}

// One picture, `count` times.
Status add_pictures(const Model& model, const WorkloadSpec& spec, double patches_per_token, SizedWorkload& sized) {
  const Plan& plan = spec.plan;
  const ImageSize size = spec.picture;
  const int64_t count = spec.num_pictures;
  SACCADE_ASSIGN_OR_RETURN(const Picture picture, imagine_picture(size, model, plan));
  SACCADE_ASSIGN_OR_RETURN(const std::vector<LayoutPiece> pieces, model.vision->layout(size, picture.spec));
  int64_t num_tokens = 0;
  for (const LayoutPiece& piece : pieces) {
    if (const auto* grid = std::get_if<TokenGrid>(&piece)) num_tokens += grid->num_tokens;
    if (const auto* text = std::get_if<std::string>(&piece)) sized.text_tokens += count * count_control_tokens(*text);
  }
  const PixelLayout& layout = picture.layout;
  const int64_t side = model.vision->cell_side();
  // All patches of all tiles run, those that are padding too; one row of the projector for each cell.
  const int64_t num_cells = int64_t{layout.num_tiles} * (layout.tile.width / side) * (layout.tile.height / side);
  sized.num_tiles += count * layout.num_tiles;
  sized.laid_out_tokens += count * num_tokens;
  const auto num_fixed = std::ranges::count(model.vision->token_cells(size, layout), -1);  // which always stay
  const double kept =
      kept_of(model, plan, static_cast<double>(num_tokens), static_cast<double>(num_tokens - num_fixed), sized.notes);
  sized.visual_tokens += count * (num_fixed + std::llround(kept));
  TowerLoad load;
  load.num_tokens = static_cast<double>(count * num_cells);
  load.num_patches = load.num_tokens * patches_per_token;
  load.num_tiles = static_cast<double>(count * layout.num_tiles);
  if (const int64_t window = model.vision->windows().side_patches; window > 0) {
    const double per_side = std::sqrt(patches_per_token);
    const auto along = [&](int64_t pixels) {
      const int64_t num_cells_along = pixels / side;
      return mean_window(static_cast<double>(num_cells_along) * per_side, static_cast<double>(window));
    };
    load.window_rows = along(layout.tile.width) * along(layout.tile.height);
  }
  load.layers = model.vision->num_layers();
  if (plan.encoder_layers) {
    const auto runs = runs_by_order(model.encoder_skip_order, *plan.encoder_layers, model.vision->num_layers());
    load.layers = static_cast<double>(std::ranges::count(runs, 1));
  }
  sized.workload.tower = load;
  return {};
}

// How much of each layer runs: 1, 0, or between them where it is not known which do.
struct LayerShares {
  std::vector<double> runs;    // for all rows
  std::vector<double> frozen;  // for text alone
};

void run_some(double num_running, std::vector<double>& runs, size_t first) {
  const double share = std::clamp(num_running / static_cast<double>(runs.size() - first), 0.0, 1.0);
  for (size_t i = first; i < runs.size(); ++i) runs[i] *= share;
}

LayerShares share_layers(const Model& model, const WorkloadSpec& spec, const SequencePlan& sequence,
                         std::vector<std::string>& notes) {
  LayerShares shares;
  const int64_t num_layers = model.decoder->config().num_layers;
  shares.runs.assign(static_cast<size_t>(num_layers), 1);
  shares.frozen.assign(shares.runs.size(), 0);
  for (size_t i = 0; i < shares.runs.size(); ++i) {
    if (!sequence.runs(static_cast<int64_t>(i))) shares.runs[i] = 0;
    if (sequence.freezes(static_cast<int64_t>(i))) std::swap(shares.runs[i], shares.frozen[i]);
  }
  const std::optional<double> share = spec.budget ? spec.budget : spec.plan.layers;
  if (model.scheduler != nullptr) {
    const double units = model.scheduler->picks_units()
                             ? static_cast<double>(model.scheduler->num_options()) /
                                   static_cast<double>(num_layers - model.scheduler->num_prefix_layers())
                             : 1;
    const auto scheduled = static_cast<double>(model.scheduler->num_scheduled(share.value_or(1)));
    run_some(scheduled / units, shares.runs, static_cast<size_t>(model.scheduler->num_prefix_layers()));
    if (units > 1 && share.value_or(1) < 1) {
      notes.emplace_back(
          "heads and neurons that are left out count nothing, as in AdaLLaVA's tables; this program still multiplies "
          "their part of the two output products");
    }
  } else if (spec.budget) {
    const double running = std::floor(*spec.budget * static_cast<double>(num_layers) + 1e-9);
    run_some(std::max(1.0, running), shares.runs, 0);
    notes.emplace_back("the model has no scheduler: as if it did with that share of its layers");
  } else if (spec.plan.layers && !model.decoder_skip_order.empty()) {
    const auto runs = runs_by_order(model.decoder_skip_order, *spec.plan.layers, num_layers);
    for (size_t i = 0; i < runs.size(); ++i) shares.runs[i] *= runs[i];
  } else if (spec.plan.layers) {
    const double running = running_layers(*spec.plan.layers, num_layers);
    for (size_t i = 0; i < shares.runs.size(); ++i) {
      const double frozen = shares.runs[i] * (1 - running / static_cast<double>(num_layers));
      shares.frozen[i] += frozen;
      shares.runs[i] -= frozen;
    }
  }
  return shares;
}

// Runs of layers that see the same visual rows, of the prompt and of a token in the middle of the answer.
void add_runs(const SequencePlan& sequence, const LayerShares& shares, SizedWorkload& sized) {
  const auto text = static_cast<double>(sized.text_tokens);
  const double entered = static_cast<double>(sized.visual_tokens);
  const double past_answer = std::max(0.0, sized.workload.generated_tokens - 2) / 2;
  size_t pruning = 0;
  double visual = entered;
  for (size_t layer = 0; layer < shares.runs.size(); ++layer) {
    const bool is_pruned =
        pruning < sequence.prunings.size() && sequence.prunings[pruning].layer_idx == static_cast<int64_t>(layer);
    if (is_pruned && entered > 0) {
      visual = std::max(1.0, std::round(sequence.prunings[pruning].keep_share * entered));
    }
    pruning += is_pruned ? 1 : 0;
    if (layer == 0 || is_pruned) {
      sized.workload.prefill.push_back({.text_rows = text, .visual_rows = visual, .logit_rows = 0});
      sized.workload.decode.push_back({.text_rows = 1, .past_rows = text + visual + past_answer, .logit_rows = 0});
    }
    sized.workload.prefill.back().layers += shares.runs[layer];
    sized.workload.prefill.back().frozen_layers += shares.frozen[layer];
    sized.workload.decode.back().layers += shares.runs[layer] + shares.frozen[layer];
    sized.layers += shares.runs[layer] + shares.frozen[layer];
  }
  sized.workload.prefill.back().logit_rows = 1;
  sized.workload.decode.back().logit_rows = 1;
}

}  // namespace

Expected<SizedWorkload> size_workload(const Model& model, const ModelShape& shape, const WorkloadSpec& spec) {
  SACCADE_RETURN_IF_ERROR(check_levers(model, spec.plan));
  SizedWorkload sized;
  sized.text_tokens = spec.prompt_tokens + (model.scheduler != nullptr ? 1 : 0);
  sized.workload.generated_tokens = static_cast<double>(spec.generated_tokens);
  sized.workload.batch = static_cast<double>(spec.batch);
  if (spec.num_pictures > 0) {
    if (!shape.tower) return invalid_argument("a picture was asked for, but the model has no vision part");
    SACCADE_RETURN_IF_ERROR(add_pictures(model, spec, static_cast<double>(shape.tower->patches_per_token), sized));
  }
  const int64_t num_tokens = sized.text_tokens + sized.visual_tokens + spec.generated_tokens;
  if (const int64_t context = model.decoder->config().context_length; num_tokens > context) {
    sized.notes.push_back(format("%lld tokens are more than the %lld that the model was made for",
                                 static_cast<long long>(num_tokens), static_cast<long long>(context)));
  }
  if (sized.text_tokens + sized.visual_tokens < 1) return invalid_argument("there is neither text nor a picture");
  Plan of_sets = spec.plan;  // but for the share of layers, which needs no order to be known here
  of_sets.layers.reset();
  SACCADE_ASSIGN_OR_RETURN(const ConversationPlan planned, make_decoder_plan(model, of_sets));
  add_runs(planned.sequence, share_layers(model, spec, planned.sequence, sized.notes), sized);
  return sized;
}

}  // namespace saccade
