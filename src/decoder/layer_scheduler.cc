#include "decoder/layer_scheduler.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/format.h"
#include "kernels/activation.h"

namespace saccade {
namespace {

// y = weight x + bias: a few small products in f32, since a pick must not hang on a rounding.
std::vector<float> apply(const Tensor& weight, const Tensor& bias, std::span<const float> x) {
  std::vector<float> y(static_cast<size_t>(weight.shape()[0]));
  for (size_t i = 0; i < y.size(); ++i) {
    const std::span<const float> row = weight.row(static_cast<int64_t>(i));
    y[i] = std::inner_product(row.begin(), row.end(), x.begin(), bias.floats()[i]);
  }
  return y;
}

std::vector<float> layer_norm(std::span<const float> x, const Tensor& weight, const Tensor& bias) {
  constexpr double kEpsilon = 1e-5;
  const auto count = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / count;
  double variance = 0;
  for (const float value : x) variance += (value - mean) * (value - mean) / count;
  std::vector<float> y(x.size());
  for (size_t i = 0; i < y.size(); ++i) {
    const double normed = (x[i] - mean) / std::sqrt(variance + kEpsilon);
    y[i] = static_cast<float>(normed) * weight.floats()[i] + bias.floats()[i];
  }
  return y;
}

// The highest of those that are free; of equal ones the first. -1 where none is.
int64_t highest(std::span<const float> logits, std::span<const uint8_t> is_taken) {
  int64_t best = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (is_taken[i] == 0 && (best < 0 || logits[i] > logits[static_cast<size_t>(best)])) best = static_cast<int64_t>(i);
  }
  return best;
}

}  // namespace

Expected<std::unique_ptr<LayerScheduler>> LayerScheduler::load(const ModelFiles& files, const DecoderConfig& config) {
  if (!files.has_vision() || files.vision_file().find("ada.scheduler.mlp_head.weight") == nullptr) {
    return std::unique_ptr<LayerScheduler>();
  }
  const Metadata& metadata = files.vision_metadata();
  const TensorSource tensors(files.vision_file());
  auto scheduler = std::make_unique<LayerScheduler>();
  scheduler->num_layers_ = config.num_layers;
  scheduler->num_heads_ = config.num_heads;
  SACCADE_ASSIGN_OR_RETURN(scheduler->num_prefix_, metadata.integer("ada.num_prefix_layers", 0, config.num_layers - 1));
  const auto type = metadata.string_or("ada.scheduler_type", "L");
  if (!type) return type.status();
  if (*type != "L" && *type != "H") {
    return unsupported("key ada.scheduler_type is " + quote(*type) + "; known are L and H");
  }
  int64_t options_per_layer = 1;
  if (*type == "H") {
    SACCADE_ASSIGN_OR_RETURN(scheduler->rank_, metadata.integer_or("ada.scheduler_rank", 8, 1, config.num_heads));
    if (config.num_heads % scheduler->rank_ != 0 || config.ffn_dim % config.num_heads != 0) {
      return corrupt_data(format("key ada.scheduler_rank is %lld, with %lld heads and a feed-forward part of %lld",
                                 static_cast<long long>(scheduler->rank_), static_cast<long long>(config.num_heads),
                                 static_cast<long long>(config.ffn_dim)));
    }
    if (config.num_kv_heads != config.num_heads) {
      return unsupported("a scheduler of heads (variant H) needs as many key/value heads as heads");
    }
    scheduler->units_per_layer_ = config.num_heads / scheduler->rank_;
    options_per_layer = 2 * config.num_heads;
  }
  const std::string up = "ada.scheduler.scheduler_up_proj.net.";
  const TensorView norm = tensors.peek(up + "0.weight");
  if (!norm || norm.shape.rank() != 1 || norm.shape[0] % 2 != 0) {
    return corrupt_data("tensor " + quote(up + "0.weight") + " is missing or not a vector of even size");
  }
  const int64_t dim = config.model_dim;
  const int64_t embedding_dim = norm.shape[0];
  const int64_t num_logits = (config.num_layers - scheduler->num_prefix_) * options_per_layer;
  const auto take = [&](const std::string& name, Tensor& weight, const Shape& shape, Tensor& bias) -> Status {
    SACCADE_ASSIGN_OR_RETURN(weight, tensors.take_as_f32(name + ".weight", shape));
    SACCADE_ASSIGN_OR_RETURN(bias, tensors.take_as_f32(name + ".bias", {shape[0]}));
    return {};
  };
  SACCADE_RETURN_IF_ERROR(take(up + "0", scheduler->norm_weight_, {embedding_dim}, scheduler->norm_bias_));
  SACCADE_RETURN_IF_ERROR(take(up + "1", scheduler->up_weight_, {dim, embedding_dim}, scheduler->up_bias_));
  SACCADE_RETURN_IF_ERROR(take(up + "3", scheduler->out_weight_, {dim, dim}, scheduler->out_bias_));
  SACCADE_RETURN_IF_ERROR(
      take("ada.scheduler.mlp_head", scheduler->head_weight_, {num_logits, dim}, scheduler->head_bias_));
  SACCADE_RETURN_IF_ERROR(tensors.check_all_taken("ada.scheduler."));
  return scheduler;
}

int64_t LayerScheduler::num_scheduled(double budget) const {
  const double share = std::clamp(budget, 0.0, 1.0);
  const auto units = static_cast<int64_t>(std::floor(static_cast<double>(num_layers_ * units_per_layer_) * share));
  return std::max<int64_t>(0, units - num_prefix_ * units_per_layer_);
}

void LayerScheduler::embed_budget(int64_t num_scheduled, std::span<float> row) const {
  const auto half = static_cast<size_t>(norm_weight_.shape()[0] / 2);
  const double share = static_cast<double>(num_scheduled) / static_cast<double>(num_options() + 1);
  std::vector<float> waves(2 * half);
  for (size_t i = 0; i < half; ++i) {
    const double frequency = std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half));
    const double angle = 2 * std::numbers::pi * share * frequency;
    waves[i] = static_cast<float>(std::sin(angle));
    waves[half + i] = static_cast<float>(std::cos(angle));
  }
  std::vector<float> inner = apply(up_weight_, up_bias_, layer_norm(waves, norm_weight_, norm_bias_));
  activate(Activation::kGelu, inner.data(), static_cast<int64_t>(inner.size()));
  std::ranges::copy(apply(out_weight_, out_bias_, inner), row.begin());
}

void LayerScheduler::settle(std::span<const float> hidden, SequencePlan& plan) const {
  const std::vector<float> logits = apply(head_weight_, head_bias_, hidden);
  if (picks_units()) {
    settle_units(logits, plan);
  } else {
    settle_layers(logits, plan);
  }
}

void LayerScheduler::settle_layers(std::span<const float> logits, SequencePlan& plan) const {
  if (plan.runs_layer.empty()) plan.runs_layer.assign(static_cast<size_t>(num_layers_), 1);
  const std::span<uint8_t> late = std::span(plan.runs_layer).subspan(static_cast<size_t>(num_prefix_));
  std::ranges::fill(late, uint8_t{0});
  for (int64_t i = 0; i < std::min<int64_t>(plan.num_scheduled, static_cast<int64_t>(late.size())); ++i) {
    late[static_cast<size_t>(highest(logits, late))] = 1;
  }
}

void LayerScheduler::settle_units(std::span<const float> logits, SequencePlan& plan) const {
  const auto width = static_cast<size_t>(2 * num_heads_);
  std::vector<uint8_t> is_taken(logits.size(), 0);
  for (int64_t unit = 0; unit < std::min(plan.num_scheduled, num_options()); ++unit) {
    const auto layer = static_cast<size_t>(highest(logits, is_taken)) / width;
    for (size_t part = 0; part < 2; ++part) {  // heads, then groups
      const size_t first = layer * width + part * static_cast<size_t>(num_heads_);
      const auto own_logits = logits.subspan(first, static_cast<size_t>(num_heads_));
      const std::span<uint8_t> own = std::span(is_taken).subspan(first, static_cast<size_t>(num_heads_));
      for (int64_t i = 0; i < rank_; ++i) own[static_cast<size_t>(highest(own_logits, own))] = 1;
    }
  }
  plan.units.assign(static_cast<size_t>(num_layers_), {});
  if (plan.runs_layer.empty()) plan.runs_layer.assign(static_cast<size_t>(num_layers_), 1);
  for (size_t layer = 0; layer < logits.size() / width; ++layer) {
    const auto begin = is_taken.begin() + static_cast<ptrdiff_t>(layer * width);
    const auto middle = begin + static_cast<ptrdiff_t>(num_heads_);
    LayerUnits& units = plan.units[static_cast<size_t>(num_prefix_) + layer];
    units.heads.assign(begin, middle);
    units.groups.assign(middle, middle + static_cast<ptrdiff_t>(num_heads_));
    plan.runs_layer[static_cast<size_t>(num_prefix_) + layer] = std::find(begin, middle, 1) != middle ? 1 : 0;
  }
}

}  // namespace saccade
