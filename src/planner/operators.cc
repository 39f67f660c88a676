#include "planner/operators.h"

#include <cmath>

namespace saccade {
namespace {

// `rows` [rows, in] times weights [out, in].
Operator linear(const char* name, double rows, double in, double out, double bytes_per_weight, double bytes_per_number,
                double count) {
  return {name,
          OperatorKind::kLinear,
          rows,
          2 * rows * in * out,
          in * out * bytes_per_weight + bytes_per_number * rows * (in + out),
          count};
}

// Of `numbers` numbers, each with so many operations, read and written.
Operator elementwise(const char* name, OperatorKind kind, double rows, double numbers, double flops_each,
                     double bytes_each, double count) {
  return {name, kind, rows, flops_each * numbers, bytes_each * numbers, count};
}

// `pairs` of a row with one that it looks at; keys and values of `read_bytes` are read.
Operator attention(const char* name, double rows, double pairs, double dim, double read_bytes, double bytes_per_number,
                   double count) {
  return {name, OperatorKind::kAttention, rows, 4 * pairs * dim, read_bytes + 2 * bytes_per_number * rows * dim, count};
}

// Scores of `pairs` in every head: five operations each (maximum, difference, exponential, sum, quotient). Where it is
// no part of the attention's kernel, all rows * seen of them are written, read, written and read.
Operator softmax(double rows, double seen, double pairs, double num_heads, double bytes_per_number, double count) {
  return {"softmax", OperatorKind::kFused, rows, 5 * num_heads * pairs, 4 * bytes_per_number * num_heads * rows * seen,
          count};
}

constexpr double kNormFlops = 7;  // square, sum, mean, root, quotient, weight, bias

}  // namespace

double OperatorList::flops() const {
  double total = 0;
  for (const Operator& op : all()) total += op.flops * op.count;
  return total;
}

OperatorList tower_operators(const TowerShape& shape, const TowerLoad& load) {
  OperatorList list;
  if (load.num_patches <= 0) return list;
  const auto dim = static_cast<double>(shape.dim);
  const auto heads = static_cast<double>(shape.num_heads);
  const auto ffn_dim = static_cast<double>(shape.ffn_dim);
  const double per_weight = shape.bytes_per_weight;
  const double each = shape.bytes_per_activation;
  const double rows = load.num_patches + load.num_tiles * static_cast<double>(shape.class_rows);
  const auto add_attention = [&](double seen, double count) {
    if (count <= 0) return;
    list.add(attention("attention", rows, rows * seen, dim, 2 * each * rows * dim, each, count));
    list.add(softmax(rows, seen, rows * seen, heads, each, count));
  };
  const double windowed =
      load.layers * static_cast<double>(shape.windowed_layers) / static_cast<double>(shape.num_layers);
  list.add(
      linear("patch embedding", load.num_patches, static_cast<double>(shape.patch_elements), dim, per_weight, each, 1));
  list.add(elementwise("norms", OperatorKind::kVector, rows, rows * dim, kNormFlops, 2 * each, 2 * load.layers));
  list.add(linear("query, key, value", rows, dim, 3 * dim, per_weight, each, load.layers));
  add_attention(rows / load.num_tiles, load.layers - windowed);
  add_attention(load.window_rows > 0 ? load.window_rows : static_cast<double>(shape.window_patches), windowed);
  list.add(linear("attention output", rows, dim, dim, per_weight, each, load.layers));
  list.add(linear("feed-forward up", rows, dim, ffn_dim * (shape.ffn_matrices - 1), per_weight, each, load.layers));
  list.add(
      elementwise("activation", OperatorKind::kFused, rows, rows * ffn_dim, 2, shape.ffn_matrices * each, load.layers));
  list.add(linear("feed-forward down", rows, ffn_dim, dim, per_weight, each, load.layers));
  list.add(elementwise("residual sums", OperatorKind::kFused, rows, rows * dim, 1, 3 * each, 2 * load.layers));
  return list;
}

OperatorList projector_operators(const TowerShape& shape, double num_tokens) {
  OperatorList list;
  if (num_tokens <= 0) return list;
  list.add({"projector", OperatorKind::kLinear, num_tokens, 2 * num_tokens * shape.projector_weights,
            shape.projector_weights * shape.bytes_per_weight, 1});
  return list;
}

// A share that is told as a decimal number is meant exactly: 0.7 of 10 layers are 7.
double running_layers(double share, int64_t num_layers) {
  return std::ceil(share * static_cast<double>(num_layers) - 1e-9);
}

DecoderLoad with_layers(DecoderLoad load, const DecoderShape& shape, double share, bool freezes_visual) {
  load.layers = running_layers(share, shape.num_layers);
  if (!freezes_visual) return load;
  const double passed_by = static_cast<double>(shape.num_layers) - load.layers;
  (load.visual_rows > 0 ? load.frozen_layers : load.layers) += passed_by;
  return load;
}

OperatorList decoder_operators(const DecoderShape& shape, const DecoderLoad& load) {
  OperatorList list;
  const auto dim = static_cast<double>(shape.model_dim);
  const auto heads = static_cast<double>(shape.num_heads);
  const auto q_dim = static_cast<double>(shape.q_dim);
  const auto kv_dim = static_cast<double>(shape.kv_dim);
  const auto ffn_dim = static_cast<double>(shape.ffn_dim);
  const double per_weight = shape.bytes_per_weight;
  const double each = shape.bytes_per_activation;
  const double new_rows = load.text_rows + load.visual_rows;
  const double seen = load.past_rows + new_rows;
  const double cache_bytes = load.sequences * 2 * seen * kv_dim * shape.bytes_per_kv;
  // `full_rows` of a sequence go through the layers; the others leave keys and values.
  const auto add_layers = [&](double full_rows, double count) {
    if (count <= 0) return;
    const double rows = load.sequences * full_rows;
    const double kv_rows = load.sequences * new_rows;
    const double pairs = rows * (load.past_rows + (new_rows + 1) / 2);
    list.add(elementwise("norms", OperatorKind::kVector, rows, rows * dim, kNormFlops, 2 * each, 2 * count));
    list.add(linear("query", rows, dim, q_dim, per_weight, each, count));
    list.add(linear("key, value", kv_rows, dim, 2 * kv_dim, per_weight, each, count));
    list.add(attention("attention", rows, pairs, q_dim, cache_bytes, each, count));
    list.add(softmax(rows, seen, pairs, heads, each, count));
    list.add(linear("attention output", rows, q_dim, dim, per_weight, each, count));
    list.add(linear("feed-forward up", rows, dim, 2 * ffn_dim, per_weight, each, count));
    list.add(elementwise("activation", OperatorKind::kFused, rows, rows * ffn_dim, 2, 3 * each, count));
    list.add(linear("feed-forward down", rows, ffn_dim, dim, per_weight, each, count));
    list.add(elementwise("residual sums", OperatorKind::kFused, rows, rows * dim, 1, 3 * each, 2 * count));
  };
  add_layers(new_rows, load.layers);
  add_layers(load.text_rows, load.frozen_layers);
  if (load.logit_rows > 0) {
    list.add(linear("logits", load.logit_rows, dim, static_cast<double>(shape.vocab_size), per_weight, each, 1));
  }
  return list;
}

}  // namespace saccade
