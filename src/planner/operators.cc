#include "planner/operators.h"

namespace saccade {
namespace {

constexpr double kActivationBytes = 4;  // activations are f32

// `rows` [rows, in] times weights [out, in].
Operator linear(const char* name, double rows, double in, double out, double bytes_per_weight, double count) {
  return {name,
          OperatorKind::kLinear,
          rows,
          2 * rows * in * out,
          in * out * bytes_per_weight + kActivationBytes * rows * (in + out),
          count};
}

// Reads and writes each of `rows` rows once; LLM-Viewer's 7 operations of a norm a number.
Operator norm(const char* name, double rows, double dim, double count) {
  return {name, OperatorKind::kVector, rows, 7 * rows * dim, 2 * kActivationBytes * rows * dim, count};
}

// `pairs` of a row with one that it looks at; keys and values of `read_rows` rows are read.
Operator attention(const char* name, double rows, double pairs, double dim, double read_bytes, double count) {
  return {name, OperatorKind::kAttention, rows, 4 * pairs * dim, read_bytes + 2 * kActivationBytes * rows * dim, count};
}

}  // namespace

double OperatorList::flops() const {
  double total = 0;
  for (const Operator& op : all()) total += op.flops * op.count;
  return total;
}

double OperatorList::bytes() const {
  double total = 0;
  for (const Operator& op : all()) total += op.bytes * op.count;
  return total;
}

OperatorList tower_operators(const TowerShape& shape, const TowerLoad& load) {
  OperatorList list;
  if (load.num_patches <= 0) return list;
  const auto dim = static_cast<double>(shape.dim);
  const double per_weight = shape.bytes_per_weight;
  const double rows = load.num_patches + load.num_tiles * static_cast<double>(shape.class_rows);
  const double pairs = rows * rows / load.num_tiles;
  const auto ffn_dim = static_cast<double>(shape.ffn_dim);
  list.add(linear("patch embedding", load.num_patches, static_cast<double>(shape.patch_elements), dim, per_weight, 1));
  list.add(norm("norms", rows, dim, 2 * load.layers));
  list.add(linear("query, key, value", rows, dim, 3 * dim, per_weight, load.layers));
  list.add(attention("attention", rows, pairs, dim, 2 * kActivationBytes * rows * dim, load.layers));
  list.add(linear("attention output", rows, dim, dim, per_weight, load.layers));
  list.add(linear("feed-forward up", rows, dim, ffn_dim * (shape.ffn_matrices - 1), per_weight, load.layers));
  list.add(linear("feed-forward down", rows, ffn_dim, dim, per_weight, load.layers));
  if (load.num_tokens > 0) {
    list.add({"projector", OperatorKind::kLinear, load.num_tokens, 2 * load.num_tokens * shape.projector_weights,
              shape.projector_weights * per_weight, 1});
  }
  return list;
}

OperatorList decoder_operators(const DecoderShape& shape, const DecoderLoad& load) {
  OperatorList list;
  const auto dim = static_cast<double>(shape.model_dim);
  const auto q_dim = static_cast<double>(shape.q_dim);
  const auto kv_dim = static_cast<double>(shape.kv_dim);
  const auto ffn_dim = static_cast<double>(shape.ffn_dim);
  const double per_weight = shape.bytes_per_weight;
  const double new_rows = load.text_rows + load.visual_rows;
  const double seen = load.past_rows + new_rows;
  const double cache_bytes = load.sequences * 2 * seen * kv_dim * shape.bytes_per_kv;
  // `full_rows` of a sequence go through the layers; the others leave keys and values.
  const auto add_layers = [&](double full_rows, double count) {
    if (count <= 0) return;
    const double rows = load.sequences * full_rows;
    const double kv_rows = load.sequences * new_rows;
    const double pairs = rows * (load.past_rows + (new_rows + 1) / 2);
    list.add(norm("norms", rows, dim, 2 * count));
    list.add(linear("query", rows, dim, q_dim, per_weight, count));
    list.add(linear("key, value", kv_rows, dim, 2 * kv_dim, per_weight, count));
    list.add(attention("attention", rows, pairs, q_dim, cache_bytes, count));
    list.add(linear("attention output", rows, q_dim, dim, per_weight, count));
    list.add(linear("feed-forward up", rows, dim, 2 * ffn_dim, per_weight, count));
    list.add(linear("feed-forward down", rows, ffn_dim, dim, per_weight, count));
  };
  add_layers(new_rows, load.layers);
  add_layers(load.text_rows, load.frozen_layers);
  list.add(linear("logits", load.logit_rows, dim, static_cast<double>(shape.vocab_size), per_weight, 1));
  return list;
}

}  // namespace saccade
