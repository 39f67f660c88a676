// What a model would take of a machine, neither of which needs to be here: for `saccade analyze`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/model.h"
#include "engine/sized_workload.h"
#include "planner/cost_model.h"
#include "planner/workload.h"
#include "saccade/engine.h"
#include "saccade/status.h"
#include "tensor/dtype.h"

namespace saccade {

/// A GGUF file (with its vision part, where that is another), or a checkpoint's folder or config.json: then with
/// weights of `weights`, by default f16. Errors: kInvalidArgument where these do not go together; those of
/// ModelFiles::open(), outline_checkpoint() and of loading a model.
Expected<Model> open_for_analysis(const std::string& path, const std::string& mmproj_path = "",
                                  std::optional<DType> weights = {});

struct AnalysisMachine {
  Hardware hardware;
  Hardware tower_hardware;  // for the tower's type of weights
  double bytes_per_activation = 2;
  std::string source;                // "data sheet", "measured", "a guess; ..."
  std::optional<CostModel> learned;  // what answers taught about this model on this machine
};

/// `name` is one of listed_hardware(), or "this". Errors: kInvalidArgument with the known names; those of reading the
/// profile of `options`.
Expected<AnalysisMachine> machine_for_analysis(const std::string& name, const Model& model,
                                               const EngineOptions& options, DType kv_dtype);

struct Analysis {
  SizedWorkload sized;
  WorkloadCost cost;  // its milliseconds as corrected, where anything was learned
  double weight_bytes = 0;
  double memory_bytes = 0;          // the machine's; 0: unknown
  double num_sequences = 0;         // that fit at this length, beside the weights and the activations of this batch
  double flops_per_token() const {  // of the answers, all stages together
    return cost.flops() / (sized.workload.batch * sized.workload.generated_tokens);
  }
  double needed_bytes() const { return weight_bytes + sized.workload.batch * cost.kv_bytes + cost.activation_bytes; }
  bool fits() const { return memory_bytes <= 0 || needed_bytes() <= memory_bytes; }
};

/// Errors: those of size_workload().
Expected<Analysis> analyze(const Model& model, const AnalysisMachine& machine, DType kv_dtype,
                           const WorkloadSpec& spec);

}  // namespace saccade
