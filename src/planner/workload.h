// What a request asks of a model, and what that comes to on a machine: operations, bytes, time by the roofline, memory.
#pragma once

#include <optional>
#include <vector>

#include "planner/hardware.h"
#include "planner/model_shape.h"
#include "planner/operators.h"

namespace saccade {

/// Of one request; `batch` of them are computed together.
struct Workload {
  std::optional<TowerLoad> tower;    // of all its pictures
  std::vector<DecoderLoad> prefill;  // runs of layers that see the same rows; the last run ends in logits
  std::vector<DecoderLoad> decode;   // the same of a token in the middle of the answer
  double generated_tokens = 1;       // the first of them by the prefill
  double batch = 1;
};

/// Of all its runs together.
struct OperatorCost {
  const char* name = "";
  OperatorKind kind = OperatorKind::kVector;
  double count = 0;
  double rows = 0;
  double flops = 0;
  double bytes = 0;
  double ms = 0;
  bool is_bound_by_memory = false;
};

struct StageCost {
  double flops = 0;
  double bytes = 0;
  double ms = 0;
  double memory_ms = 0;  // of these, in operators that are bound by memory
  std::vector<OperatorCost> operators;
};

struct WorkloadCost {
  StageCost encode;
  StageCost project;
  StageCost prefill;
  StageCost token;              // one of the answer behind the first, in the middle of it
  double decoded_tokens = 0;    // so many of these
  double kv_bytes = 0;          // of one sequence, at its end
  double activation_bytes = 0;  // of the largest stage, an estimate
  double encode_ms() const { return encode.ms + project.ms; }
  double ttft_ms() const { return encode_ms() + prefill.ms; }
  double latency_ms() const { return ttft_ms() + decoded_tokens * token.ms; }
  double flops() const { return encode.flops + project.flops + prefill.flops + decoded_tokens * token.flops; }
  double bytes() const { return encode.bytes + project.bytes + prefill.bytes + decoded_tokens * token.bytes; }
};

/// `tower_hardware` is the machine for the tower's type of weights.
WorkloadCost cost_of(const ModelShape& shape, const Workload& workload, const Hardware& hardware,
                     const Hardware& tower_hardware);

}  // namespace saccade
