#include "decoder/decoder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "base/format.h"
#include "kernels/attention.h"
#include "kernels/dequantize.h"
#include "kernels/leaf.h"
#include "kernels/linear.h"
#include "kernels/norm.h"

namespace saccade {
namespace {

// Rows that go through a layer at once: bounds the memory of a long prompt's activations.
constexpr int64_t kChunkTokens = 512;

// What the names of a decoder's tensors begin with; others belong to the vision part of a single file.
constexpr const char* kParts[] = {"blk.", "token_embd", "output", "rope_"};

}  // namespace

// Activations of one chunk, sized once and used by every layer.
struct Decoder::Scratch {
  Scratch(const DecoderConfig& config, int64_t num_tokens)
      : normed({num_tokens, config.model_dim}),
        q({num_tokens, config.num_heads * config.head_dim}),
        k({num_tokens, config.kv_dim()}),
        v({num_tokens, config.kv_dim()}),
        attended({num_tokens, config.num_heads * config.head_dim}),
        gated({num_tokens, config.ffn_dim}) {}

  Tensor normed;    // [num_tokens, model_dim]
  Tensor q;         // [num_tokens, num_heads * head_dim]
  Tensor k, v;      // [num_tokens, num_kv_heads * head_dim]
  Tensor attended;  // [num_tokens, num_heads * head_dim]
  Tensor gated;     // [num_tokens, ffn_dim]: silu(gate) * up
};

Expected<Decoder::Layer> Decoder::load_layer(const TensorSource& tensors, const DecoderConfig& config,
                                             int64_t layer_idx) {
  const int64_t model_dim = config.model_dim;
  const int64_t q_dim = config.num_heads * config.head_dim;
  const int64_t kv_dim = config.kv_dim();
  const auto name = [layer_idx](const char* part) {
    return format("blk.%lld.%s", static_cast<long long>(layer_idx), part);
  };
  Layer layer;
  SACCADE_ASSIGN_OR_RETURN(layer.attention_norm, tensors.take_as_f32(name("attn_norm.weight"), {model_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.q, tensors.take(name("attn_q.weight"), {q_dim, model_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.k, tensors.take(name("attn_k.weight"), {kv_dim, model_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.v, tensors.take(name("attn_v.weight"), {kv_dim, model_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.q_bias, tensors.take_as_f32_if_present(name("attn_q.bias"), {q_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.k_bias, tensors.take_as_f32_if_present(name("attn_k.bias"), {kv_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.v_bias, tensors.take_as_f32_if_present(name("attn_v.bias"), {kv_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.o, tensors.take(name("attn_output.weight"), {model_dim, q_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.ffn_norm, tensors.take_as_f32(name("ffn_norm.weight"), {model_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.gate, tensors.take(name("ffn_gate.weight"), {config.ffn_dim, model_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.up, tensors.take(name("ffn_up.weight"), {config.ffn_dim, model_dim}));
  SACCADE_ASSIGN_OR_RETURN(layer.down, tensors.take(name("ffn_down.weight"), {model_dim, config.ffn_dim}));
  return layer;
}

Expected<std::unique_ptr<Decoder>> Decoder::load(const ModelFiles& files) {
  const TensorSource tensors(files.language_file());
  SACCADE_ASSIGN_OR_RETURN(DecoderConfig config, read_decoder_config(tensors));
  std::unique_ptr<Decoder> decoder(new Decoder(std::move(config)));
  const DecoderConfig& shape = decoder->config_;
  SACCADE_ASSIGN_OR_RETURN(decoder->token_embedding_,
                           tensors.take("token_embd.weight", {shape.vocab_size, shape.model_dim}));
  SACCADE_ASSIGN_OR_RETURN(decoder->output_norm_, tensors.take_as_f32("output_norm.weight", {shape.model_dim}));
  SACCADE_ASSIGN_OR_RETURN(decoder->output_,
                           tensors.take_if_present("output.weight", {shape.vocab_size, shape.model_dim}));
  const bool is_tied = !decoder->output_;
  if (is_tied) decoder->output_ = decoder->token_embedding_;
  for (int64_t layer_idx = 0; layer_idx < shape.num_layers; ++layer_idx) {
    SACCADE_ASSIGN_OR_RETURN(Layer layer, load_layer(tensors, shape, layer_idx));
    for (const WeightMatrix* weight : layer.weights()) {
      decoder->num_parameters_ += static_cast<uint64_t>(weight->shape().num_elements());
    }
    for (const Tensor* vector : {&layer.attention_norm, &layer.ffn_norm, &layer.q_bias, &layer.k_bias, &layer.v_bias}) {
      if (!vector->is_empty()) decoder->num_parameters_ += static_cast<uint64_t>(vector->shape().num_elements());
    }
    decoder->layers_.push_back(std::move(layer));
  }
  for (const char* part : kParts) SACCADE_RETURN_IF_ERROR(tensors.check_all_taken(part));
  const auto embedding_size = static_cast<uint64_t>(shape.vocab_size * shape.model_dim);
  decoder->num_parameters_ += embedding_size * (is_tied ? 1 : 2) + static_cast<uint64_t>(shape.model_dim);
  return decoder;
}

Status Decoder::pack_weights(ThreadPool& pool, const std::function<bool(double fraction)>& progress) {
  const double num_steps = static_cast<double>(layers_.size()) + 1;
  for (size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    for (WeightMatrix* weight : layer.weights()) {
      weight->pack(pool);
    }
    if (progress && !progress(static_cast<double>(i + 1) / num_steps)) return cancelled("stopped while loading");
  }
  output_.pack(pool);
  return {};
}

void Decoder::embed(int32_t token, std::span<float> row) const {
  assert(token >= 0 && token < config_.vocab_size);
  dequantize_row(token_embedding_.dtype, token_embedding_.row(token), row.data(), config_.model_dim);
}

void Decoder::rotate(ThreadPool& pool, const RopeTable::Rows& rope, int64_t num_heads, Tensor& heads) const {
  const int64_t head_dim = config_.head_dim;
  pool.parallel_for(heads.shape()[0], 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      float* head = heads.row(row).data();
      for (int64_t head_idx = 0; head_idx < num_heads; ++head_idx, head += head_dim) {
        apply_rope(config_.rope.pairing, rope.cosine.row(row).data(), rope.sine.row(row).data(),
                   config_.rope.rotary_dim, head);
      }
    }
  });
}

/// scratch.attended of the sequence's rows, which begin at `first_row`; their keys and values go into the cache.
Status Decoder::attend(ThreadPool& pool, int64_t layer_idx, const SequenceRows& rows, int64_t first_row,
                       Scratch& scratch) const {
  KvSequence& kv = *rows.kv;
  const int64_t num_past = kv.num_tokens(layer_idx);
  SACCADE_RETURN_IF_ERROR(kv.reserve(layer_idx, rows.num_tokens));
  kv.append(layer_idx, scratch.k.row(first_row).data(), scratch.v.row(first_row).data(), rows.num_tokens);
  AttentionArgs args;
  args.q = scratch.q.row(first_row).data();
  args.q_stride = scratch.q.shape().row_size();
  args.kv = kv.blocks(layer_idx);
  args.out = scratch.attended.row(first_row).data();
  args.out_stride = scratch.attended.shape().row_size();
  args.num_queries = rows.num_tokens;
  args.num_keys = num_past + rows.num_tokens;
  args.num_heads = config_.num_heads;
  args.num_kv_heads = config_.num_kv_heads;
  args.head_dim = config_.head_dim;
  args.scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
  args.is_causal = true;
  args.first_visible = num_past;
  args.allows_bf16 = args.kv.dtype != DType::kF32;
  attention(pool, args);
  return {};
}

Status Decoder::attention_block(ThreadPool& pool, const Layer& layer, int64_t layer_idx, const RopeTable::Rows& rope,
                                std::span<const SequenceRows> sequences, Tensor& x, Scratch& scratch) const {
  const int64_t num_tokens = x.shape()[0];
  rms_norm(pool, x.floats().data(), layer.attention_norm.floats().data(), config_.rms_epsilon, num_tokens,
           config_.model_dim, scratch.normed.floats().data());
  const LinearOutput qkv[] = {
      {.weight = &layer.q, .bias = layer.q_bias, .y = scratch.q.floats().data()},
      {.weight = &layer.k, .bias = layer.k_bias, .y = scratch.k.floats().data()},
      {.weight = &layer.v, .bias = layer.v_bias, .y = scratch.v.floats().data()},
  };
  linear(pool, scratch.normed.floats().data(), num_tokens, qkv);
  rotate(pool, rope, config_.num_heads, scratch.q);
  rotate(pool, rope, config_.num_kv_heads, scratch.k);

  int64_t first_row = 0;
  for (const SequenceRows& rows : sequences) {
    SACCADE_RETURN_IF_ERROR(attend(pool, layer_idx, rows, first_row, scratch));
    first_row += rows.num_tokens;
  }
  linear(pool, scratch.attended.floats().data(), num_tokens,
         {.weight = &layer.o, .y = x.floats().data(), .accumulate = true});
  return {};
}

void Decoder::ffn_block(ThreadPool& pool, const Layer& layer, Tensor& x, Scratch& scratch) const {
  const int64_t num_tokens = x.shape()[0];
  rms_norm(pool, x.floats().data(), layer.ffn_norm.floats().data(), config_.rms_epsilon, num_tokens, config_.model_dim,
           scratch.normed.floats().data());
  linear(pool, scratch.normed.floats().data(), num_tokens,
         {.weight = &layer.up, .gate = &layer.gate, .y = scratch.gated.floats().data()});
  linear(pool, scratch.gated.floats().data(), num_tokens,
         {.weight = &layer.down, .y = x.floats().data(), .accumulate = true});
}

Tensor Decoder::logits(ThreadPool& pool, const Tensor& x, int64_t num_rows) const {
  Tensor last = copy_rows(x, x.shape()[0] - num_rows, num_rows);
  rms_norm(pool, last.floats().data(), output_norm_.floats().data(), config_.rms_epsilon, num_rows, config_.model_dim,
           last.floats().data());
  Tensor result({num_rows, config_.vocab_size});
  linear(pool, last.floats().data(), num_rows, {.weight = &output_, .y = result.floats().data()});
  return result;
}

double Decoder::work(int64_t num_tokens, int64_t num_past) const {
  const auto rows = static_cast<double>(num_tokens);
  double per_row = 0;
  for (const Layer& layer : layers_) {
    for (const WeightMatrix* weight : layer.weights()) {
      per_row += static_cast<double>(weight->shape().num_elements());
    }
  }
  const double mean_keys = static_cast<double>(num_past) + (rows + 1) / 2;
  const auto q_dim = static_cast<double>(config_.num_heads * config_.head_dim);
  const double attention_per_row = 2 * q_dim * mean_keys * static_cast<double>(config_.num_layers);
  return rows * (per_row + attention_per_row) + static_cast<double>(output_.shape().num_elements());
}

int64_t Decoder::num_independent_rows() const {
  bool is_packed = output_.packed() != nullptr;
  for (const Layer& layer : layers_) {
    for (const WeightMatrix* weight : layer.weights()) is_packed = is_packed && weight->packed() != nullptr;
  }
  return std::min<int64_t>(kMaxFewQueries, is_packed ? kMaxPanelDotRows : kMaxDotRows);
}

double Decoder::weight_bytes() const {
  auto bytes = static_cast<double>(output_.view().num_bytes());
  for (const Layer& layer : layers_) {
    for (const WeightMatrix* weight : layer.weights()) {
      bytes += static_cast<double>(weight->view().num_bytes());
    }
  }
  return bytes;
}

namespace {

/// The parts of `sequences` that are rows [begin, begin + count) of all.
std::vector<SequenceRows> cut_rows(std::span<const SequenceRows> sequences, int64_t begin, int64_t count) {
  std::vector<SequenceRows> parts;
  int64_t first = 0;
  for (const SequenceRows& rows : sequences) {
    const int64_t from = std::max(first, begin);
    const int64_t to = std::min(first + rows.num_tokens, begin + count);
    if (from < to) parts.push_back({rows.kv, to - from});
    first += rows.num_tokens;
  }
  return parts;
}

}  // namespace

Expected<Tensor> Decoder::forward(ThreadPool& pool, const ForwardArgs& args) const {
  const int64_t num_tokens = args.rows->shape()[0];
  assert(num_tokens > 0 && static_cast<int64_t>(args.positions.size()) == num_tokens);
  assert(args.num_logit_rows >= 1 && args.num_logit_rows <= num_tokens);
  std::vector<int64_t> num_past;
  for (const SequenceRows& rows : args.sequences) num_past.push_back(rows.kv->num_tokens(0));
  // Chunks end where the logit rows begin, so that those are the tail of what is computed last.
  Tensor result({args.num_logit_rows, config_.vocab_size});
  const int64_t first_logit_row = num_tokens - args.num_logit_rows;
  const auto fail = [&](Status status) {
    for (size_t i = 0; i < num_past.size(); ++i) args.sequences[i].kv->truncate(num_past[i]);
    return status;
  };
  for (int64_t begin = 0; begin < num_tokens;) {
    const int64_t count = std::min(kChunkTokens, num_tokens - begin);
    Tensor x = copy_rows(*args.rows, begin, count);
    const std::vector<SequenceRows> sequences = cut_rows(args.sequences, begin, count);
    Scratch scratch(config_, count);
    const RopeTable::Rows rope =
        rope_.rows(args.positions.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)));
    for (int64_t layer_idx = 0; layer_idx < config_.num_layers; ++layer_idx) {
      const Layer& layer = layers_[static_cast<size_t>(layer_idx)];
      Status status = attention_block(pool, layer, layer_idx, rope, sequences, x, scratch);
      if (!status.is_ok()) return fail(std::move(status));
      ffn_block(pool, layer, x, scratch);
      const double layers_done = static_cast<double>(layer_idx + 1) / static_cast<double>(config_.num_layers);
      const double done = static_cast<double>(begin) + static_cast<double>(count) * layers_done;
      if (args.progress && !args.progress(done / static_cast<double>(num_tokens))) {
        return fail(cancelled("stopped while reading the prompt"));
      }
    }
    if (const int64_t num_rows = begin + count - std::max(begin, first_logit_row); num_rows > 0) {
      const Tensor part = logits(pool, x, num_rows);
      std::memcpy(result.row(begin + count - num_rows - first_logit_row).data(), part.data(),
                  static_cast<size_t>(part.view().num_bytes()));
    }
    begin += count;
  }
  return result;
}

}  // namespace saccade
