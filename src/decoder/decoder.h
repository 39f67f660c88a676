// The language model: vectors of a prompt in, logits out, with a cache of what has been seen.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "decoder/decoder_config.h"
#include "decoder/kv_cache.h"
#include "decoder/layer_rows.h"
#include "decoder/rope_table.h"
#include "kernels/weight_matrix.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "weights/model_files.h"

namespace saccade {

struct ForwardArgs {
  const Tensor* rows = nullptr;              // [num_tokens, model_dim]: embedded text and media tokens
  std::span<const TokenPosition> positions;  // [num_tokens]
  // Whose rows those are, one after the other: they go through the layers together, each attending to its own past.
  std::span<const SequenceRows> sequences;
  int64_t num_logit_rows = 1;  // logits of the last this many rows; 0: none, see forward()
  // Called between layers, and parts of long ones, with the share done, 0..1; false cancels. May be empty.
  std::function<bool(double fraction)> progress;
};

/// Thread safety: const after load; one forward at a time per ThreadPool.
class Decoder {
 public:
  /// Maps and checks every tensor of every layer; one that is not applied here is an error that names it
  /// (kUnsupported), not left out. `files` must outlive the decoder.
  static Expected<std::unique_ptr<Decoder>> load(const ModelFiles& files);

  /// Packs the weights for the active ISA (weight_matrix.h), layer by layer. `progress` as in ForwardArgs. Errors:
  /// kCancelled. Throws std::bad_alloc. Optional: without it the weights are read as they lie in the file.
  Status pack_weights(ThreadPool& pool, const std::function<bool(double fraction)>& progress);

  const DecoderConfig& config() const { return config_; }
  uint64_t num_parameters() const { return num_parameters_; }

  KvSequence make_sequence(std::shared_ptr<KvBlockPool> pool) const { return {std::move(pool), config_.num_layers}; }

  /// Writes the embedding of `token` to `row` [model_dim]. `token` must be in [0, vocab_size).
  void embed(int32_t token, std::span<float> row) const;

  /// Runs the rows through the layers of their sequences' plans. Sequences of different plans go together, and get what
  /// they would get alone. Returns logits [num_logit_rows, vocab_size], or, without any, the rows as they leave the
  /// last layer, normed [num_tokens, model_dim]. Errors: kResourceExhausted (KV cache), kCancelled. On an error the
  /// caches hold what they held before.
  Expected<Tensor> forward(ThreadPool& pool, const ForwardArgs& args) const;

  /// Multiply-adds of a forward of `num_tokens` rows of one sequence behind `num_past`, with one row of logits.
  double work(int64_t num_tokens, int64_t num_past) const;
  /// Rows of one forward up to which each is computed, bit for bit, as it would be alone.
  int64_t num_independent_rows() const;
  /// The type of most of its weights.
  DType main_dtype() const { return layers_.front().up.dtype(); }
  /// Bytes of weights that a forward reads, embeddings left out.
  double weight_bytes() const;

 private:
  struct Layer {
    Tensor attention_norm;          // [model_dim]
    WeightMatrix q, k, v, o;        // [heads * head_dim, model_dim] ..., o [model_dim, heads * head_dim]
    Tensor q_bias, k_bias, v_bias;  // empty where the family has none
    Tensor ffn_norm;                // [model_dim]
    WeightMatrix gate, up, down;    // [ffn_dim, model_dim] twice, [model_dim, ffn_dim]

    std::array<WeightMatrix*, 7> weights() { return {&q, &k, &v, &o, &gate, &up, &down}; }
    std::array<const WeightMatrix*, 7> weights() const { return {&q, &k, &v, &o, &gate, &up, &down}; }
  };

  explicit Decoder(DecoderConfig config) : config_(std::move(config)), rope_(config_.rope) {}
  static Expected<Layer> load_layer(const TensorSource& tensors, const DecoderConfig& config, int64_t layer_idx);
  class Forward;
  Tensor normed(ThreadPool& pool, const Tensor& x, int64_t num_rows) const;
  Tensor logits(ThreadPool& pool, const Tensor& x, int64_t num_rows) const;

  DecoderConfig config_;
  RopeTable rope_;
  TensorView token_embedding_;  // [vocab_size, model_dim]
  WeightMatrix output_;         // [vocab_size, model_dim]; the embedding where tied
  Tensor output_norm_;          // [model_dim]
  std::vector<Layer> layers_;
  uint64_t num_parameters_ = 0;
};

}  // namespace saccade
