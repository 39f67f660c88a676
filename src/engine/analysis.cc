#include "engine/analysis.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/format.h"
#include "engine/model_shape.h"
#include "engine/planning.h"
#include "kernels/isa.h"
#include "platform/cores.h"
#include "platform/process_memory.h"
#include "weights/convert/outline.h"

namespace saccade {
namespace {

bool is_checkpoint(const std::string& path) {
  std::error_code ignored;
  return path.ends_with(".json") || std::filesystem::is_directory(path, ignored);
}

std::string known_hardware() {
  std::string names;
  for (const Hardware& hardware : listed_hardware()) names += hardware.name + ", ";
  return names + "this";
}

Expected<AnalysisMachine> this_machine(const Model& model, const EngineOptions& options, DType kv_dtype) {
  SACCADE_ASSIGN_OR_RETURN(const Isa isa, active_isa());
  ModelInfo info;
  info.isa = isa_name(isa);
  info.threads = options.threads > 0 ? options.threads : usable_cores();
  SACCADE_ASSIGN_OR_RETURN(const Planning planning, make_planning(model, options, info, kv_dtype));
  AnalysisMachine machine;
  machine.hardware = planning.costs.hardware();
  machine.hardware.memory_bytes = static_cast<double>(available_memory_bytes());
  machine.tower_hardware = planning.costs.tower_hardware();
  machine.bytes_per_activation = 4;
  machine.learned = planning.costs;
  machine.source = planning.is_machine_measured ? format("measured, %s, %d threads", info.isa.c_str(), info.threads)
                                                : "a guess; `saccade profile` measures it";
  return machine;
}

void correct(const CostModel& costs, CostStage stage, double total_ms, StageCost& cost) {
  if (total_ms <= 0) return;
  const double factor = costs.corrected_ms(stage, total_ms) / total_ms;
  cost.ms *= factor;
  cost.memory_ms *= factor;
  for (OperatorCost& op : cost.operators) op.ms *= factor;
}

}  // namespace

Expected<Model> open_for_analysis(const std::string& path, const std::string& mmproj_path,
                                  std::optional<DType> weights) {
  if (!is_checkpoint(path)) {
    if (weights) return invalid_argument("--weights goes with a config.json; a GGUF file has weights of its own");
    SACCADE_ASSIGN_OR_RETURN(ModelFiles files, ModelFiles::open(path, mmproj_path));
    return Model::outline(std::move(files));
  }
  if (!mmproj_path.empty()) return invalid_argument("--mmproj goes with a GGUF file; a config.json has both parts");
  SACCADE_ASSIGN_OR_RETURN(ModelFiles files, outline_checkpoint(path, weights.value_or(DType::kF16)));
  return Model::outline(std::move(files));
}

Expected<AnalysisMachine> machine_for_analysis(const std::string& name, const Model& model,
                                               const EngineOptions& options, DType kv_dtype) {
  if (name == "this") return this_machine(model, options, kv_dtype);
  const std::optional<Hardware> hardware = find_hardware(name);
  if (!hardware) return invalid_argument("hardware " + quote(name) + " is not known (known: " + known_hardware() + ")");
  return AnalysisMachine{*hardware, *hardware, 2, "data sheet: not measured, without launch overheads", std::nullopt};
}

Expected<Analysis> analyze(const Model& model, const AnalysisMachine& machine, DType kv_dtype,
                           const WorkloadSpec& spec) {
  ModelShape shape = shape_of(model, kv_dtype);
  shape.decoder.bytes_per_activation = machine.bytes_per_activation;
  if (shape.tower) shape.tower->bytes_per_activation = machine.bytes_per_activation;
  Analysis analysis;
  SACCADE_ASSIGN_OR_RETURN(analysis.sized, size_workload(model, shape, spec));
  analysis.cost = cost_of(shape, analysis.sized.workload, machine.hardware, machine.tower_hardware);
  if (machine.learned) {
    const double encode_ms = analysis.cost.encode_ms();
    correct(*machine.learned, CostStage::kEncode, encode_ms, analysis.cost.encode);
    correct(*machine.learned, CostStage::kEncode, encode_ms, analysis.cost.project);
    correct(*machine.learned, CostStage::kPrefill, analysis.cost.prefill.ms, analysis.cost.prefill);
    correct(*machine.learned, CostStage::kDecode, analysis.cost.token.ms, analysis.cost.token);
  }
  analysis.weight_bytes = stored_bytes(model);
  analysis.memory_bytes = machine.hardware.memory_bytes;
  const double left = analysis.memory_bytes - analysis.weight_bytes - analysis.cost.activation_bytes;
  if (analysis.cost.kv_bytes > 0) analysis.num_sequences = std::max(0.0, std::floor(left / analysis.cost.kv_bytes));
  return analysis;
}

}  // namespace saccade
