#include "decoder/decoder.h"

#include <algorithm>
#include <cassert>

#include "base/format.h"
#include "kernels/attention.h"
#include "kernels/dequantize.h"
#include "kernels/leaf.h"

namespace saccade {
namespace {

// What the names of a decoder's tensors begin with; others belong to the vision part of a single file.
constexpr const char* kParts[] = {"blk.", "token_embd", "output", "rope_"};

}  // namespace

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

}  // namespace saccade
