#include "planner/workload.h"

#include <algorithm>

namespace saccade {
namespace {

void add(const Hardware& hardware, const OperatorList& list, StageCost& stage) {
  for (const Operator& op : list.all()) {
    if (op.count <= 0 || op.rows <= 0) continue;
    OperatorCost cost;
    cost.name = op.name;
    cost.kind = op.kind;
    cost.count = op.count;
    cost.rows = op.rows;
    cost.flops = op.count * op.flops;
    cost.bytes = op.count * moved_bytes(hardware, op);
    cost.ms = roofline_ms(hardware, op);
    cost.is_bound_by_memory = is_bound_by_memory(hardware, op);
    stage.flops += cost.flops;
    stage.bytes += cost.bytes;
    stage.ms += cost.ms;
    if (cost.is_bound_by_memory) stage.memory_ms += cost.ms;
    stage.operators.push_back(cost);
  }
}

StageCost decoder_cost(const DecoderShape& shape, const std::vector<DecoderLoad>& runs, double batch,
                       const Hardware& hardware) {
  StageCost stage;
  for (DecoderLoad load : runs) {
    load.sequences *= batch;
    load.logit_rows *= batch;
    add(hardware, decoder_operators(shape, load), stage);
  }
  return stage;
}

TowerLoad times(TowerLoad load, double batch) {
  load.num_patches *= batch;
  load.num_tiles *= batch;
  load.num_tokens *= batch;
  return load;
}

// Rows of keys and values that a layer holds, summed over the layers.
double cached_rows(const Workload& workload) {
  double rows = 0;
  for (const DecoderLoad& run : workload.prefill) {
    rows += (run.layers + run.frozen_layers) * (run.past_rows + run.text_rows + run.visual_rows);
  }
  for (const DecoderLoad& run : workload.decode) rows += run.layers * (workload.generated_tokens - 1);
  return rows;
}

// Hidden states before and behind an operator, the widest of what lies between them, and scores where these are
// written.
double tower_activations(const TowerShape& shape, const TowerLoad& load, const Hardware& hardware) {
  const double rows = load.num_patches + load.num_tiles * static_cast<double>(shape.class_rows);
  const auto dim = static_cast<double>(shape.dim);
  const double between = std::max(4 * dim, static_cast<double>(shape.ffn_dim) * (shape.ffn_matrices - 1));
  const double scores = hardware.fuses ? 0 : static_cast<double>(shape.num_heads) * rows / load.num_tiles;
  return shape.bytes_per_activation * rows * (2 * dim + between + scores);
}

double decoder_activations(const DecoderShape& shape, const DecoderLoad& load, const Hardware& hardware) {
  const double rows = load.sequences * (load.text_rows + load.visual_rows);
  const double between = static_cast<double>(std::max(2 * shape.q_dim + 2 * shape.kv_dim, 2 * shape.ffn_dim));
  const double seen = load.past_rows + load.text_rows + load.visual_rows;
  const double scores = hardware.fuses ? 0 : static_cast<double>(shape.num_heads) * seen;
  const double logits = load.logit_rows * static_cast<double>(shape.vocab_size);
  return shape.bytes_per_activation * (rows * (2 * static_cast<double>(shape.model_dim) + between + scores) + logits);
}

}  // namespace

WorkloadCost cost_of(const ModelShape& shape, const Workload& workload, const Hardware& hardware,
                     const Hardware& tower_hardware) {
  WorkloadCost cost;
  if (shape.tower && workload.tower) {
    const TowerLoad load = times(*workload.tower, workload.batch);
    add(tower_hardware, tower_operators(*shape.tower, load), cost.encode);
    add(tower_hardware, projector_operators(*shape.tower, load.num_tokens), cost.project);
    if (load.num_patches > 0) cost.activation_bytes = tower_activations(*shape.tower, load, tower_hardware);
  }
  cost.prefill = decoder_cost(shape.decoder, workload.prefill, workload.batch, hardware);
  cost.token = decoder_cost(shape.decoder, workload.decode, workload.batch, hardware);
  cost.decoded_tokens = std::max(0.0, workload.generated_tokens - 1);
  cost.kv_bytes = 2 * cached_rows(workload) * static_cast<double>(shape.decoder.kv_dim) * shape.decoder.bytes_per_kv;
  for (DecoderLoad run : workload.prefill) {
    run.sequences *= workload.batch;
    run.logit_rows *= workload.batch;
    cost.activation_bytes = std::max(cost.activation_bytes, decoder_activations(shape.decoder, run, hardware));
  }
  return cost;
}

}  // namespace saccade
