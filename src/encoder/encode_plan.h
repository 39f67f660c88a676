// How much of a picture the vision tower looks at, and with how much of itself. The default is everything.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "saccade/status.h"

namespace saccade {

/// Patches leave ahead of a layer and come back at the end (IPCV, arXiv 2512.18747): of each tile, those whose hidden
/// state changed least in the layer before are dropped, and restored with the mean change of the nearest kept ones (by
/// the distance of their states when they part). The paper's attention stabilization, in which the dropped ones go on
/// as keys for a few layers, is not done.
struct LayerDrop {
  int layer_idx = 7;  // at least one layer runs before it
  double keep_share = 0.35;
  int num_neighbours = 10;
};

struct EncodePlan {
  // Which of the picture's tokens are looked at at all, [num_tokens] of layout(), grids in order. Empty: all. Patches
  // of the others never enter the tower, nor do those that are only padding; the result's `cells` name those that did.
  // Fixed tokens (MediaTokens::is_fixed) come out in any case.
  std::vector<uint8_t> is_seen;
  // How many of the laid out tokens each stands for, [num_tokens] (of the unseen ones not read); more than 1 adds its
  // logarithm to attention's scores. Empty: 1 each.
  std::vector<float> weights;
  // ToMe (arXiv 2210.09461): pairs of patches that are merged in each layer, of each tile; the last entry holds for
  // the layers after it. Fewer where there are not as many to merge: at most half of a tile's patches in a layer, and
  // kMinMergedPatches remain. Empty: none. Tokens of one patch stay merged; where a token is a square of patches,
  // each patch has the merged one's vector again behind the last layer, so that the tokens are as many as before.
  std::vector<int> merges;
  // Not together with `merges`.
  std::optional<LayerDrop> drop;
  // Which layers run, [num_layers], one at least. Empty: all.
  std::vector<uint8_t> runs_layer;
  bool wants_class_attention = false;
  bool wants_keys = false;

  /// Whether the vectors are those of a plan that was left empty.
  bool is_full() const { return is_seen.empty() && weights.empty() && merges.empty() && !drop && runs_layer.empty(); }
  bool runs(int layer_idx) const { return runs_layer.empty() || runs_layer[static_cast<size_t>(layer_idx)] != 0; }
  /// Pairs to merge in a layer that runs.
  int merges_in(int layer_idx) const;
};

inline constexpr int kMinMergedPatches = 16;

/// Errors: kInvalidArgument, kUnsupported, that say what cannot be carried out.
Status check_plan(const EncodePlan& plan, int64_t num_tokens, int num_layers);

/// The plan without what changes nothing: a mask that sees all, weights of 1 for each.
EncodePlan simplified(EncodePlan plan);

}  // namespace saccade
