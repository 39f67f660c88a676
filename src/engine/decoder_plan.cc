#include "engine/decoder_plan.h"

#include <xxhash.h>

#include <algorithm>
#include <set>

#include "base/format.h"
#include "engine/layer_order.h"
#include "engine/skip_order.h"

namespace saccade {
namespace {

// Layers behind which a confident token may leave: four, from the middle on. Each asks for the logits, which cost as
// much as a part of a layer.
std::vector<int64_t> exit_layers(int64_t num_layers) {
  std::set<int64_t> layers;
  for (int eighths = 4; eighths < 8; ++eighths) layers.insert(std::max<int64_t>(1, num_layers * eighths / 8) - 1);
  return {layers.begin(), layers.end()};
}

Status check_layer(const char* name, int64_t layer, int64_t num_layers) {
  if (layer >= 0 && layer < num_layers) return {};
  return invalid_argument(format("%s names layer %lld; the decoder has 0 to %lld", name, static_cast<long long>(layer),
                                 static_cast<long long>(num_layers - 1)));
}

Status add_layer_sets(const Plan& plan, int64_t num_layers, SequencePlan& sequence) {
  for (const int64_t layer : plan.skipped_layers) {
    SACCADE_RETURN_IF_ERROR(check_layer("skipped_layers", layer, num_layers));
    sequence.runs_layer.resize(static_cast<size_t>(num_layers), 1);
    sequence.runs_layer[static_cast<size_t>(layer)] = 0;
  }
  for (const int64_t layer : plan.frozen_layers) {
    SACCADE_RETURN_IF_ERROR(check_layer("frozen_layers", layer, num_layers));
    sequence.freezes_visual.resize(static_cast<size_t>(num_layers), 0);
    sequence.freezes_visual[static_cast<size_t>(layer)] = 1;
  }
  return {};
}

Status add_prunings(const Plan& plan, int64_t num_layers, SequencePlan& sequence) {
  for (const LayerPruning& pruning : plan.prunings) {
    SACCADE_RETURN_IF_ERROR(check_layer("prunings", pruning.layer, num_layers));
    SACCADE_RETURN_IF_ERROR(check_share("prunings' keep_share", pruning.keep_share));
    const int64_t rank_layer = pruning.layer - (pruning.ranks_before ? 1 : 0);
    if (rank_layer < 0) return invalid_argument("prunings: no layer ranks tokens before layer 0");
    if (!sequence.prunings.empty() && sequence.prunings.back().layer_idx >= pruning.layer) {
      return invalid_argument("prunings must be in the order of their layers, one for each");
    }
    sequence.prunings.push_back({pruning.layer, rank_layer, pruning.keep_share});
  }
  return {};
}

// A share of the layers, without a scheduler: visual tokens stay as they are in those that need them least.
Status freeze_by_order(const Model& model, double share, SequencePlan& sequence) {
  const int64_t num_layers = model.decoder->config().num_layers;
  const std::string& model_path = model.files->language_file().path();
  SACCADE_ASSIGN_OR_RETURN(const std::vector<int64_t> order,
                           read_layer_order(layer_order_path(model_path), num_layers));
  if (order.empty()) {
    return unsupported(
        "a share of the layers was asked for, but the model has no scheduler (AdaLLaVA), and the order of its layers "
        "was not measured; measure it once with: saccade layers " +
        model_path + " --data SET.jsonl");
  }
  const std::vector<uint8_t> runs = runs_by_order(order, share, num_layers);
  sequence.freezes_visual.resize(runs.size(), 0);
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i] == 0) sequence.freezes_visual[i] = 1;
  }
  return {};
}

// Of all that tells one sequence plan from another.
uint64_t digest_of(const SequencePlan& plan) {
  if (plan.is_full()) return 0;
  std::string bytes(plan.runs_layer.begin(), plan.runs_layer.end());
  bytes += '|' + std::string(plan.freezes_visual.begin(), plan.freezes_visual.end());
  if (plan.exit) bytes += format("|%a", plan.exit->confidence);
  return XXH3_64bits(bytes.data(), bytes.size()) | 1;
}

}  // namespace

Expected<ConversationPlan> make_decoder_plan(const Model& model, const Plan& plan) {
  const int64_t num_layers = model.decoder->config().num_layers;
  ConversationPlan result;
  SequencePlan& sequence = result.sequence;
  SACCADE_RETURN_IF_ERROR(add_layer_sets(plan, num_layers, sequence));
  SACCADE_RETURN_IF_ERROR(add_prunings(plan, num_layers, sequence));
  if (plan.layers) SACCADE_RETURN_IF_ERROR(check_share("layers", *plan.layers));
  if (model.scheduler != nullptr) {
    sequence.scheduler = model.scheduler.get();
    sequence.num_scheduled = model.scheduler->num_scheduled(plan.layers.value_or(1.0));
  } else if (plan.layers && !model.decoder_skip_order.empty()) {
    sequence.runs_layer = runs_by_order(model.decoder_skip_order, *plan.layers, num_layers);
  } else if (plan.layers) {
    SACCADE_RETURN_IF_ERROR(freeze_by_order(model, *plan.layers, sequence));
  }
  if (plan.exit) {
    SACCADE_RETURN_IF_ERROR(check_share("exit", *plan.exit));
    sequence.exit = EarlyExit{*plan.exit, exit_layers(num_layers)};
  }
  if (!sequence.runs_layer.empty() && std::ranges::count(sequence.runs_layer, 1) == 0) {
    return invalid_argument("skipped_layers leaves no layer of the decoder");
  }
  result.looks_ahead = !sequence.prunings.empty() || sequence.scheduler != nullptr;
  result.digest = digest_of(sequence);
  return result;
}

}  // namespace saccade
