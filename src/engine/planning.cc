#include "engine/planning.h"

#include <filesystem>

#include "base/format.h"
#include "compression/strategy.h"
#include "engine/layer_order.h"
#include "engine/model.h"
#include "engine/model_shape.h"
#include "engine/profile_file.h"

namespace saccade {
namespace {

constexpr double kShareRate = 0.1;  // of the latest picture
// Of layers: below half, answers of models that were trained for it begin to repeat (arXiv 2503.10905).
constexpr double kLeastLayers = 0.5;
constexpr double kKeepShares[] = {1, 0.75, 0.5, 0.375, 0.25, 0.1875, 0.125, 0.0625};

// All numbers of layers that may run, as shares.
std::vector<double> layer_shares(int64_t num_layers, int64_t num_skippable) {
  std::vector<double> shares;
  for (int64_t count = num_layers; count > 0; --count) {
    const double share = static_cast<double>(count) / static_cast<double>(num_layers);
    if (num_layers - count > num_skippable || share < kLeastLayers) break;
    shares.push_back(share);
  }
  return shares;
}

LeverOptions options_for(const Model& model, bool has_strategy) {
  LeverOptions options = {{{1}, {0}, {1}, {1}, {1}, {0}}};
  const int64_t num_layers = model.decoder->config().num_layers;
  if (model.scheduler != nullptr || !model.decoder_skip_order.empty()) {
    options_of(options, Lever::kLayers) = layer_shares(num_layers, num_layers);
  }
  if (model.vision == nullptr) return options;
  for (size_t i = 1; i < kSkips.size(); ++i) options_of(options, Lever::kSkip).push_back(static_cast<double>(i));
  options_of(options, Lever::kEncoderLayers) =
      layer_shares(model.vision->num_layers(), static_cast<int64_t>(model.encoder_skip_order.size()));
  if (has_strategy) options_of(options, Lever::kKeep).assign(std::begin(kKeepShares), std::end(kKeepShares));
  return options;
}

// The model's own, the one that it brings a scorer for, or ours.
std::string strategy_of(const Model& model) {
  if (model.vision == nullptr) return "";
  if (model.own_strategy != nullptr) return std::string(model.own_strategy->name);
  return model.token_scorer != nullptr ? "learned" : "divprune";
}

// Of which model, as what: what was learnt of it is good for that alone.
std::string learned_key(const EngineOptions& options, const ModelInfo& info) {
  const auto name = std::filesystem::path(options.model_path).filename().string();
  return format("%s, %s, %d threads, keys and values %d", name.c_str(), info.isa.c_str(), info.threads,
                static_cast<int>(options.kv_type));
}

Expected<CostModel> make_costs(const Model& model, const EngineOptions& options, const ModelInfo& info, DType kv_dtype,
                               bool& is_machine_measured) {
  const ModelShape shape = shape_of(model, kv_dtype);
  std::optional<MachineProfile> profile;
  if (!options.profile_path.empty()) {
    SACCADE_ASSIGN_OR_RETURN(profile, read_machine_profile(options.profile_path, info.isa, info.threads));
  }
  is_machine_measured = profile.has_value();
  if (!profile) return CostModel(shape, unmeasured_processor());
  const DType decoder_type = model.decoder->main_dtype();
  const DType tower_type = model.vision != nullptr ? model.vision->main_dtype() : decoder_type;
  CostModel costs(shape, profile->hardware_for(decoder_type), profile->hardware_for(tower_type));
  SACCADE_RETURN_IF_ERROR(read_learned(options.profile_path, learned_key(options, info), costs));
  return costs;
}

}  // namespace

Status keep_learned(const Planning& planning, const EngineOptions& options, const ModelInfo& info) {
  std::error_code error;
  if (options.profile_path.empty() || !std::filesystem::exists(options.profile_path, error)) return {};
  return write_learned(options.profile_path, learned_key(options, info), planning.costs);
}

void Planning::saw_share(size_t skip, double share) {
  share_seen[skip] += kShareRate * (share - share_seen[skip]);
}

MeasuredModel measured_model(const Model& model) {
  const auto name_of = [](const GgufFile& file) { return std::filesystem::path(file.path()).filename().string(); };
  const GgufFile& language = model.files->language_file();
  MeasuredModel measured;
  measured.file = name_of(language);
  measured.bytes = language.file_bytes();
  measured.strategy = strategy_of(model);
  if (model.files->has_vision() && !model.files->is_single_file()) {
    measured.mmproj_file = name_of(model.files->vision_file());
    measured.mmproj_bytes = model.files->vision_file().file_bytes();
  }
  return measured;
}

Expected<Planning> make_planning(const Model& model, DType kv_dtype) {
  SACCADE_ASSIGN_OR_RETURN(Planning planning, make_uncalibrated_planning(model, kv_dtype));
  SACCADE_ASSIGN_OR_RETURN(
      std::optional<QualityTable> measured,
      read_quality_file(quality_file_path(model.files->language_file().path()), measured_model(model)));
  if (measured) planning.quality = *std::move(measured);
  return planning;
}

Expected<Planning> make_planning(const Model& model, const EngineOptions& options, const ModelInfo& info,
                                 DType kv_dtype) {
  SACCADE_ASSIGN_OR_RETURN(Planning planning, make_planning(model, kv_dtype));
  SACCADE_ASSIGN_OR_RETURN(planning.costs, make_costs(model, options, info, kv_dtype, planning.is_machine_measured));
  planning.price = options.price;
  return planning;
}

Expected<Planning> make_uncalibrated_planning(const Model& model, DType kv_dtype) {
  Planning planning = {.costs = CostModel(shape_of(model, kv_dtype), unmeasured_processor()),
                       .quality = published_priors(),
                       .price = {},
                       .strategy = strategy_of(model),
                       .options = {},
                       .freezes_visual = false,
                       .is_machine_measured = false};
  const bool decides_count = model.own_strategy != nullptr && model.own_strategy->decides_count;
  planning.options = options_for(model, !planning.strategy.empty() && !decides_count);
  const bool has_layers = model.scheduler != nullptr || !model.decoder_skip_order.empty();
  if (!has_layers) {
    const int64_t num_layers = model.decoder->config().num_layers;
    SACCADE_ASSIGN_OR_RETURN(const std::vector<int64_t> order,
                             read_layer_order(layer_order_path(model.files->language_file().path()), num_layers));
    planning.freezes_visual = !order.empty();
    if (!order.empty()) options_of(planning.options, Lever::kLayers) = layer_shares(num_layers, num_layers);
  }
  return planning;
}

}  // namespace saccade
