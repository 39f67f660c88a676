// How much of a picture the vision tower looks at, and with how much of itself. The default is everything.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace saccade {

/// Patches leave at a layer and come back at the end (IPCV, arXiv 2511.18875): those whose hidden state changed least
/// are dropped, and restored with the mean change of the nearest kept ones.
struct LayerDrop {
  int layer_idx = 7;
  double keep_share = 0.35;
  int num_neighbours = 10;
};

struct EncodePlan {
  // Which of the picture's tokens are looked at at all, [num_tokens] of layout(), grids in order. Empty: all. Patches
  // of the others never enter the tower; the result's `cells` name those that did.
  std::vector<uint8_t> is_seen;
  // How many of the laid out tokens each stands for, [num_tokens] (of the unseen ones not read); more than 1 adds its
  // logarithm to attention's scores. Empty: 1 each.
  std::vector<float> weights;
  // ToMe (arXiv 2210.09461): pairs of patches that are merged in each layer, of each tile; the last entry holds for
  // the layers after it. Empty: none.
  std::vector<int> merges;
  std::optional<LayerDrop> drop;
  // Which layers run, [num_layers]. Empty: all.
  std::vector<uint8_t> runs_layer;
  bool wants_class_attention = false;
  bool wants_keys = false;

  bool is_full() const { return is_seen.empty() && merges.empty() && !drop && runs_layer.empty(); }
};

}  // namespace saccade
