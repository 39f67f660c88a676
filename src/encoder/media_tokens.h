// The hand-over from the encoder to the decoder: vectors with their place in the picture and in time.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace saccade {

/// Where a visual token sits, in units of the merged patch grid: time (0 for a still picture), row, column.
struct Place {
  int32_t t = 0;
  int32_t y = 0;
  int32_t x = 0;
  bool operator==(const Place&) const = default;
};

/// Of a token that never entered the encoder.
inline constexpr int32_t kNotLookedAt = -1;

/// A grid of visual tokens that stands at one position of the prompt.
struct MediaTokens {
  Tensor vectors;             // [num_tokens, model_dim], of the language model
  std::vector<Place> places;  // [num_tokens]
  // Extent of the grid the places lie in (before any reduction): M-RoPE advances by it.
  Place extent;
  // Of a grid that was thinned out: which of the laid out tokens these are, ascending. Empty: all of them (or none is
  // left, and there are no vectors either).
  std::vector<int32_t> cells;
  // How many of the laid out tokens each stands for. Empty: 1 each.
  std::vector<float> weights;
  // Where the encoder merged tokens: of the laid out ones the one of `cells` that shows each, itself where that is one
  // of them; kNotLookedAt. Empty: none was merged.
  std::vector<int32_t> shown_by;
  // Those that are no part of the picture and that the model expects in any case (LLaVA-1.6's newlines): no strategy
  // merges or drops them. [num_tokens]; empty: none.
  std::vector<uint8_t> is_fixed;

  // What strategies of compression go by, where EncodePlan asks for it: of the last layer that ran, before it merged
  // any; summed or averaged over the patches of a token; 0 for fixed tokens.
  //
  // The class row's softmax over the keys of its tile, mean of the heads. Of towers without a class row, how much
  // attention a patch receives: the mean softmax of some 60 queries spread evenly over the tile, as VisPruner (arXiv
  // 2412.01818) takes of all of them. 1 in all for each tile, with the class row's own share. Patches that were dropped
  // on the way (LayerDrop) have 0.
  std::vector<float> class_attention;  // [num_tokens]
  // Keys of all heads, before rotary positions.
  Tensor keys;  // [num_tokens, vision_dim]
};

/// What a picture becomes in the prompt: control text ("<row_1_col_1>") and grids of tokens, in order.
struct TokenGrid {
  int num_tokens = 0;
  Place extent;
};
using LayoutPiece = std::variant<std::string, TokenGrid>;   // known before a pixel is touched
using MediaPiece = std::variant<std::string, MediaTokens>;  // the same order, with vectors

}  // namespace saccade
