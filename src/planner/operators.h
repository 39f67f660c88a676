// What a stage computes, operator by operator: floating point operations and bytes moved, each a closed formula of the
// model's shape and of the numbers of rows (as LLM-Viewer counts them, arXiv 2402.16363, with the vision tower added;
// but of attention only the pairs that a causal mask leaves, and the feed-forward's activation at its own width).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "planner/model_shape.h"

namespace saccade {

enum class OperatorKind : uint8_t {
  kLinear,     // products with weights
  kAttention,  // products of rows with rows
  kVector,     // norms: bound by memory
  kFused,      // softmax, sums, activations: done within the products beside them where a machine's kernels can
};

struct Operator {
  const char* name = "";
  OperatorKind kind = OperatorKind::kVector;
  double rows = 0;   // that go through it at once
  double flops = 0;  // a multiply-add is two
  double bytes = 0;  // weights, activations and cache
  double count = 1;  // how often it runs
};

/// No memory of its own: the planner makes thousands.
class OperatorList {
 public:
  void add(const Operator& op) { operators_[size_++] = op; }
  std::span<const Operator> all() const { return {operators_.data(), size_}; }
  double flops() const;

 private:
  std::array<Operator, 24> operators_;
  size_t size_ = 0;
};

/// What goes through a vision tower.
struct TowerLoad {
  double num_patches = 0;  // of all tiles
  double num_tiles = 1;    // whose patches look at one another alone
  double num_tokens = 0;   // that the projector makes
  double layers = 0;       // that run
  double window_rows = 0;  // that a row sees within its window, in the mean; 0: those of a whole one
};

/// Without the projector.
OperatorList tower_operators(const TowerShape& shape, const TowerLoad& load);
OperatorList projector_operators(const TowerShape& shape, double num_tokens);

/// What goes through a language model: rows of a prompt, or one row of each of several sequences.
struct DecoderLoad {
  double text_rows = 0;      // new ones of one sequence
  double visual_rows = 0;    // the same
  double past_rows = 0;      // that they look back at
  double sequences = 1;      // that are computed together
  double layers = 0;         // that run for all rows
  double frozen_layers = 0;  // further ones, which visual rows pass by, leaving keys and values
  double logit_rows = 1;     // of all sequences; 0: not the end of the model
};

/// Layers that run of `num_layers`, by the share that a plan says: up to the next whole one, but for rounding.
double running_layers(double share, int64_t num_layers);

/// The load through a share of the layers, which the visual rows alone pass by where they are frozen.
DecoderLoad with_layers(DecoderLoad load, const DecoderShape& shape, double share, bool freezes_visual);

OperatorList decoder_operators(const DecoderShape& shape, const DecoderLoad& load);

}  // namespace saccade
