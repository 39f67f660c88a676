// Which layers run under a budget, as a model learned it: AdaLLaVA (arXiv 2503.10905), read from a converted
// checkpoint.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "decoder/decoder_config.h"
#include "decoder/sequence_plan.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/model_files.h"

namespace saccade {

/// The first layers always run. A token that stands for the budget goes behind the prompt; its hidden state in front of
/// the other layers picks which of them run (variant L), or which quarters of them (H: heads and groups of MLP
/// neurons). Thread safety: const after load.
class LayerScheduler {
 public:
  /// Null where the files have no scheduler. Errors name the key or tensor.
  static Expected<std::unique_ptr<LayerScheduler>> load(const ModelFiles& files, const DecoderConfig& config);

  int64_t num_prefix_layers() const { return num_prefix_; }
  bool picks_units() const { return units_per_layer_ > 1; }
  /// Layers, or units, behind the prefix.
  int64_t num_options() const { return (num_layers_ - num_prefix_) * units_per_layer_; }
  /// How many of them a budget pays for, which is a share of all layers, 0..1.
  int64_t num_scheduled(double budget) const;

  /// Writes the token for so many layers, or units, to `row` [model_dim]: the last of the prompt.
  void embed_budget(int64_t num_scheduled, std::span<float> row) const;

  /// Picks plan.num_scheduled of them by the hidden state [model_dim] in front of layer num_prefix_layers(). Ties go to
  /// the first.
  void settle(std::span<const float> hidden, SequencePlan& plan) const;

 private:
  void settle_layers(std::span<const float> logits, SequencePlan& plan) const;
  void settle_units(std::span<const float> logits, SequencePlan& plan) const;

  int64_t num_layers_ = 0;
  int64_t num_prefix_ = 0;
  int64_t num_heads_ = 0;
  int64_t rank_ = 0;             // heads, and groups, of a unit
  int64_t units_per_layer_ = 1;  // 1: layers as a whole
  Tensor norm_weight_, norm_bias_;
  Tensor up_weight_, up_bias_;      // [model_dim, 256]
  Tensor out_weight_, out_bias_;    // [model_dim, model_dim]
  Tensor head_weight_, head_bias_;  // [options or 2 * num_heads * late layers, model_dim]
};

}  // namespace saccade
