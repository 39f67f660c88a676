// Which of the decoder computes a sequence, and how many of its rows. The default is all of it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace saccade {

class LayerScheduler;

/// Before layer `layer_idx` only the visual rows stay that the last row looks at most in layer `rank_layer_idx`: the
/// same layer in PyramidDrop (arXiv 2410.17247), the one before it in FastV (arXiv 2403.06764).
struct VisualPruning {
  int64_t layer_idx = 0;
  int64_t rank_layer_idx = 0;
  double keep_share = 1;  // of the sequence's visual rows, at least one

  bool operator==(const VisualPruning&) const = default;
};

/// A row leaves behind one of these layers once the likeliest next token has this probability. The layers behind get
/// keys and values of its hidden state as it was then (CALM, arXiv 2207.07061).
struct EarlyExit {
  double confidence = 1;
  std::vector<int64_t> layers;  // ascending

  bool operator==(const EarlyExit&) const = default;
};

/// The heads and groups of consecutive MLP neurons of a layer that are computed.
struct LayerUnits {
  std::vector<uint8_t> heads;   // [num_heads]; empty: all
  std::vector<uint8_t> groups;  // any number that divides ffn_dim; empty: all

  bool operator==(const LayerUnits&) const = default;
};

/// A sequence's plan holds from its first row to its last, but for what a scheduler settles on the way.
struct SequencePlan {
  std::vector<uint8_t> runs_layer;  // [num_layers]; empty: all
  // ShortV (arXiv 2504.00502): layers in which visual rows stay as they are; text sees their keys and values.
  // [num_layers] or empty.
  std::vector<uint8_t> freezes_visual;
  std::vector<VisualPruning> prunings;  // by layer_idx, ascending
  std::optional<EarlyExit> exit;
  std::vector<LayerUnits> units;  // [num_layers] or empty

  // AdaLLaVA: before layer scheduler->num_prefix_layers(), the hidden state of the last row of the first forward that
  // gets there settles runs_layer, or units, with `num_scheduled` layers, or units, of the later ones.
  const LayerScheduler* scheduler = nullptr;
  int64_t num_scheduled = 0;

  bool is_full() const {
    return runs_layer.empty() && freezes_visual.empty() && prunings.empty() && !exit && units.empty() &&
           scheduler == nullptr;
  }
  bool runs(int64_t layer_idx) const { return runs_layer.empty() || runs_layer[static_cast<size_t>(layer_idx)] != 0; }
  bool freezes(int64_t layer_idx) const {
    return !freezes_visual.empty() && freezes_visual[static_cast<size_t>(layer_idx)] != 0;
  }
};

}  // namespace saccade
