#include "engine/profile_file.h"

#include <cmath>
#include <span>

#include "base/format.h"
#include "platform/whole_file.h"
#include "weights/json_text.h"

namespace saccade {
namespace {

constexpr const char* kAdvice = "; remove the file, or measure anew with `saccade profile`";

// Numbers of a Hardware by their names in the file.
struct HardwareField {
  const char* name;
  double Hardware::*value;
};
constexpr HardwareField kFields[] = {{"attention_gflops", &Hardware::attention_gflops},
                                     {"vector_gflops", &Hardware::vector_gflops},
                                     {"memory_gbytes", &Hardware::memory_gbytes},
                                     {"launch_us", &Hardware::launch_us},
                                     {"decode_ns_per_pixel", &Hardware::decode_ns_per_pixel},
                                     {"resize_ns_per_pixel", &Hardware::resize_ns_per_pixel}};

struct StateField {
  const char* name;
  double StageResidual::State::*value;
};
constexpr StateField kStateFields[] = {{"anchor", &StageResidual::State::anchor},
                                       {"xx", &StageResidual::State::xx},
                                       {"xo", &StageResidual::State::xo},
                                       {"oo", &StageResidual::State::oo},
                                       {"xy", &StageResidual::State::xy},
                                       {"oy", &StageResidual::State::oy},
                                       {"log_pace", &StageResidual::State::log_pace},
                                       {"spread", &StageResidual::State::spread}};

// A finite number over 0, or none.
std::optional<double> positive(const Json& object, const char* name) {
  const Json* value = find_member(object, name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  const auto number = value->get<double>();
  return std::isfinite(number) && number > 0 ? std::optional(number) : std::nullopt;
}

Expected<Json> read_file(const std::string& path) {
  auto json = read_json_object(path);
  if (!json && json.status().code() == StatusCode::kNotFound) return Json{{"profile", 1}};
  if (!json) return json.status();
  const Json* version = find_member(*json, "profile");
  if (version == nullptr || *version != 1) return corrupt_data(path + ": not a profile of version 1" + kAdvice);
  return json;
}

Status write_file(const std::string& path, const Json& json) {
  const std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  return write_whole_file(path, std::as_bytes(std::span(text)));
}

std::string machine_key(const std::string& isa, int threads) {
  return isa + " x " + std::to_string(threads);
}

bool read_rates(const Json& pairs, std::vector<Hardware::Rate>& rates) {
  if (!pairs.is_array() || pairs.empty()) return false;
  for (const Json& pair : pairs) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() || !pair[1].is_number()) return false;
    const Hardware::Rate rate = {pair[0].get<double>(), pair[1].get<double>()};
    if (!(rate.gflops > 0) || !(rate.rows > (rates.empty() ? 0 : rates.back().rows))) return false;
    rates.push_back(rate);
  }
  return true;
}

}  // namespace

Expected<std::optional<MachineProfile>> read_machine_profile(const std::string& path, const std::string& isa,
                                                             int threads) {
  SACCADE_ASSIGN_OR_RETURN(const Json json, read_file(path));
  const Json* machines = find_member(json, "machines");
  if (machines == nullptr) return std::optional<MachineProfile>();
  const std::string key = machine_key(isa, threads);
  const Json* machine = machines->is_object() ? find_member(*machines, key) : nullptr;
  if (machine == nullptr) return std::optional<MachineProfile>();
  const auto wrong = [&](const std::string& field) {
    return corrupt_data(path + ": machine " + key + ": \"" + field + "\" is not what it should be" + kAdvice);
  };
  if (!machine->is_object()) return wrong(key);
  MachineProfile profile = {.isa = isa, .threads = threads, .hardware = {}, .linear = {}};
  profile.hardware.name = "this machine";
  for (const HardwareField& field : kFields) {
    const auto value = positive(*machine, field.name);
    if (!value) return wrong(field.name);
    profile.hardware.*field.value = *value;
  }
  const Json* linear = find_member(*machine, "linear_gflops");
  if (linear == nullptr || !linear->is_object() || linear->empty()) return wrong("linear_gflops");
  for (const auto& [name, pairs] : linear->items()) {
    const auto type = dtype_from_name(name);
    if (!type || !read_rates(pairs, profile.linear[*type])) return wrong(name);
  }
  return std::optional(std::move(profile));
}

Status write_machine_profile(const std::string& path, const MachineProfile& profile) {
  SACCADE_ASSIGN_OR_RETURN(Json json, read_file(path));
  Json machine = Json::object();
  for (const HardwareField& field : kFields) machine[field.name] = profile.hardware.*field.value;
  for (const auto& [type, rates] : profile.linear) {
    Json pairs = Json::array();
    for (const Hardware::Rate& rate : rates) pairs.push_back({rate.rows, rate.gflops});
    machine["linear_gflops"][std::string(traits_of(type).name)] = std::move(pairs);
  }
  json["machines"][machine_key(profile.isa, profile.threads)] = std::move(machine);
  json.erase("models");  // what was learnt stands on the machine as it was measured before
  return write_file(path, json);
}

Status read_learned(const std::string& path, const std::string& key, CostModel& costs) {
  SACCADE_ASSIGN_OR_RETURN(const Json json, read_file(path));
  const Json* models = find_member(json, "models");
  const Json* model = models != nullptr && models->is_object() ? find_member(*models, key) : nullptr;
  if (model == nullptr || !model->is_object()) return {};
  for (size_t i = 0; i < kNumCostStages; ++i) {
    const auto stage = static_cast<CostStage>(i);
    const Json* stored = find_member(*model, cost_stage_name(stage));
    if (stored == nullptr || !stored->is_object()) continue;
    StageResidual::State state;
    bool is_whole = true;
    for (const StateField& field : kStateFields) {
      const Json* value = find_member(*stored, field.name);
      is_whole = is_whole && value != nullptr && value->is_number();
      if (is_whole) state.*field.value = value->get<double>();
    }
    const Json* count = find_member(*stored, "count");
    is_whole = is_whole && count != nullptr && count->is_number_integer() && state.anchor > 0;
    if (!is_whole) {
      return corrupt_data(format("%s: model %s: stage %s is not what it should be%s", path.c_str(), key.c_str(),
                                 cost_stage_name(stage), kAdvice));
    }
    state.count = count->get<int64_t>();
    const Json* corrections = find_member(*stored, "log_corrections");
    if (corrections != nullptr && corrections->is_array() && corrections->size() == state.log_corrections.size()) {
      for (size_t k = 0; k < state.log_corrections.size(); ++k) {
        if ((*corrections)[k].is_number()) state.log_corrections[k] = (*corrections)[k].get<double>();
      }
    }
    costs.residual(stage).set_state(state);
  }
  return {};
}

Status write_learned(const std::string& path, const std::string& key, const CostModel& costs) {
  SACCADE_ASSIGN_OR_RETURN(Json json, read_file(path));
  Json model = Json::object();
  for (size_t i = 0; i < kNumCostStages; ++i) {
    const auto stage = static_cast<CostStage>(i);
    const StageResidual::State& state = costs.residual(stage).state();
    Json stored = {{"count", state.count}, {"log_corrections", state.log_corrections}};
    for (const StateField& field : kStateFields) stored[field.name] = state.*field.value;
    model[cost_stage_name(stage)] = std::move(stored);
  }
  json["models"][key] = std::move(model);
  return write_file(path, json);
}

}  // namespace saccade
