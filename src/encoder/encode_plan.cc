#include "encoder/encode_plan.h"

#include <algorithm>
#include <cmath>

#include "base/format.h"

namespace saccade {
namespace {

Status check_size(const char* what, size_t size, int64_t expected, const char* of_what) {
  if (size == 0 || static_cast<int64_t>(size) == expected) return {};
  return invalid_argument(format("a plan with %s for %zu %s, where the picture has %lld", what, size, of_what,
                                 static_cast<long long>(expected)));
}

Status check_drop(const EncodePlan& plan, int num_layers) {
  const LayerDrop& drop = *plan.drop;
  if (!plan.merges.empty()) return unsupported("a plan that merges patches and drops patches as well");
  if (!(drop.keep_share > 0 && drop.keep_share <= 1) || drop.num_neighbours < 1) {
    return invalid_argument(format("a plan that keeps a share of %g of the patches and restores the others from %d",
                                   drop.keep_share, drop.num_neighbours));
  }
  bool has_layer_before = false;
  for (int i = 0; i < std::min(drop.layer_idx, num_layers); ++i) has_layer_before = has_layer_before || plan.runs(i);
  if (has_layer_before && drop.layer_idx < num_layers) return {};
  return invalid_argument(format("a plan that drops patches ahead of layer %d of %d: it takes a layer that runs before",
                                 drop.layer_idx, num_layers));
}

}  // namespace

int EncodePlan::merges_in(int layer_idx) const {
  if (merges.empty()) return 0;
  return merges[std::min(static_cast<size_t>(layer_idx), merges.size() - 1)];
}

Status check_plan(const EncodePlan& plan, int64_t num_tokens, int num_layers) {
  SACCADE_RETURN_IF_ERROR(check_size("a mask", plan.is_seen.size(), num_tokens, "tokens"));
  SACCADE_RETURN_IF_ERROR(check_size("weights", plan.weights.size(), num_tokens, "tokens"));
  if (!plan.is_seen.empty() && std::ranges::all_of(plan.is_seen, [](uint8_t is_seen) { return is_seen == 0; })) {
    return invalid_argument("a plan that sees nothing of the picture");
  }
  for (size_t i = 0; i < plan.weights.size(); ++i) {
    const bool is_read = plan.is_seen.empty() || plan.is_seen[i] != 0;
    if (is_read && !(std::isfinite(plan.weights[i]) && plan.weights[i] > 0)) {
      return invalid_argument(format("a plan that gives token %zu the weight %g", i, double{plan.weights[i]}));
    }
  }
  if (!plan.runs_layer.empty()) {
    if (static_cast<int64_t>(plan.runs_layer.size()) != num_layers) {
      return invalid_argument(
          format("a plan for %zu layers, where the tower has %d", plan.runs_layer.size(), num_layers));
    }
    if (std::ranges::all_of(plan.runs_layer, [](uint8_t runs) { return runs == 0; })) {
      return invalid_argument("a plan that runs no layer");
    }
  }
  for (const int num_merges : plan.merges) {
    if (num_merges < 0) return invalid_argument(format("a plan that merges %d pairs", num_merges));
  }
  return plan.drop ? check_drop(plan, num_layers) : Status();
}

EncodePlan simplified(EncodePlan plan) {
  if (std::ranges::all_of(plan.is_seen, [](uint8_t is_seen) { return is_seen != 0; })) plan.is_seen.clear();
  bool has_weights = false;
  for (size_t i = 0; i < plan.weights.size(); ++i) {
    const bool is_read = plan.is_seen.empty() || plan.is_seen[i] != 0;
    has_weights = has_weights || (is_read && plan.weights[i] != 1);
  }
  if (!has_weights) plan.weights.clear();
  if (std::ranges::all_of(plan.merges, [](int num_merges) { return num_merges == 0; })) plan.merges.clear();
  return plan;
}

}  // namespace saccade
