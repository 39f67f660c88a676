// A model as the planner sees it: sizes alone. From a loaded model, or from a config.json of one that is not here.
#pragma once

#include <cstdint>
#include <optional>

namespace saccade {

/// A vision tower with its projector.
struct TowerShape {
  int64_t num_layers = 0;  // that run in full
  int64_t dim = 0;
  int64_t num_heads = 0;
  int64_t ffn_dim = 0;
  int ffn_matrices = 2;           // 3 where the feed-forward is gated
  int64_t patch_elements = 0;     // numbers of a patch's pixels
  int64_t class_rows = 0;         // of each tile, beside its patches
  int64_t windowed_layers = 0;    // of the layers, those whose patches look at the ones in their window alone
  int64_t window_patches = 0;     // of a whole window
  int64_t patches_per_token = 1;  // that the projector makes one visual token of
  double projector_weights = 0;   // multiply-adds for a visual token
  double bytes_per_weight = 2;
  double bytes_per_activation = 4;
  double num_weights() const;
};

/// A language model.
struct DecoderShape {
  int64_t num_layers = 0;
  int64_t model_dim = 0;
  int64_t num_heads = 0;
  int64_t q_dim = 0;   // num_heads * head_dim
  int64_t kv_dim = 0;  // num_kv_heads * head_dim
  int64_t ffn_dim = 0;
  int64_t vocab_size = 0;
  double bytes_per_weight = 2;
  double bytes_per_kv = 2;  // of each number of the cache
  double bytes_per_activation = 4;
  double weights_per_layer() const;
  double num_weights() const;  // the output's, and not the embedding's
};

struct ModelShape {
  std::optional<TowerShape> tower;
  DecoderShape decoder;
};

}  // namespace saccade
