#include "cli/analyze_report.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/format.h"
#include "cli/printable_text.h"
#include "cli/sweep/table.h"

namespace saccade {
namespace {

// What a whole number holds; sizes that no machine has are told as such.
constexpr double kMost = 1e18;

std::string flops_text(double flops) {
  return format_count(static_cast<uint64_t>(std::min(flops, kMost)));
}

std::string bytes_text(double bytes) {
  return format_bytes(static_cast<uint64_t>(std::min(bytes, kMost)));
}

std::string ms_text(double ms) {
  return format(ms < 99.95 ? "%.3g" : "%.0f", ms);
}

std::string sequences_text(const Analysis& analysis) {
  if (analysis.memory_bytes <= 0) return "?";
  return format("%.0f", analysis.num_sequences);
}

struct Row {
  const char* title;
  std::function<std::string(const Analysis&)> text;
};

const std::vector<Row>& rows() {
  using A = const Analysis&;
  static const std::vector<Row> kRows = {
      {"visual tokens", [](A a) { return std::to_string(a.sized.visual_tokens); }},
      {"decoder layers", [](A a) { return format("%.4g", a.sized.layers); }},
      {"FLOP, encoder", [](A a) { return flops_text(a.cost.encode.flops); }},
      {"FLOP, projector", [](A a) { return flops_text(a.cost.project.flops); }},
      {"FLOP, prefill", [](A a) { return flops_text(a.cost.prefill.flops); }},
      {"FLOP, decode", [](A a) { return flops_text(a.cost.decoded_tokens * a.cost.token.flops); }},
      {"FLOP, all", [](A a) { return flops_text(a.cost.flops()); }},
      {"FLOP a generated token", [](A a) { return flops_text(a.flops_per_token()); }},
      {"bytes moved, encode", [](A a) { return bytes_text(a.cost.encode.bytes + a.cost.project.bytes); }},
      {"bytes moved, prefill", [](A a) { return bytes_text(a.cost.prefill.bytes); }},
      {"bytes moved, a token", [](A a) { return bytes_text(a.cost.token.bytes); }},
      {"ms, encode", [](A a) { return ms_text(a.cost.encode_ms()); }},
      {"ms, prefill", [](A a) { return ms_text(a.cost.prefill.ms); }},
      {"ms, first token", [](A a) { return ms_text(a.cost.ttft_ms()); }},
      {"ms, a token after it", [](A a) { return ms_text(a.cost.token.ms); }},
      {"ms, end to end", [](A a) { return ms_text(a.cost.latency_ms()); }},
      {"memory, weights", [](A a) { return bytes_text(a.weight_bytes); }},
      {"memory, keys and values", [](A a) { return bytes_text(a.sized.workload.batch * a.cost.kv_bytes); }},
      {"memory, activations", [](A a) { return bytes_text(a.cost.activation_bytes); }},
      {"memory, all", [](A a) { return bytes_text(a.needed_bytes()); }},
      {"fits", [](A a) { return std::string(a.memory_bytes <= 0 ? "?"
                                            : a.fits()          ? "yes"
                                                                : "no"); }},
      {"sequences that fit", sequences_text},
  };
  return kRows;
}

// "norms; softmax (12 % of the time)"
std::string memory_bound_text(const StageCost& stage) {
  std::vector<std::string> names;
  size_t num_others = 0;
  for (const OperatorCost& op : stage.operators) {
    if (op.ms <= 0) continue;
    const bool is_new = std::ranges::find(names, op.name) == names.end();
    if (op.is_bound_by_memory && is_new) names.emplace_back(op.name);
    if (!op.is_bound_by_memory) ++num_others;
  }
  if (names.empty()) return "nothing";
  if (num_others == 0) return "everything";
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : "; ") + name;
  return text + format(" (%.0f %% of the time)", 100 * stage.memory_ms / stage.ms);
}

struct NamedStage {
  const char* name;
  const StageCost* stage;
};

std::vector<NamedStage> stages_of(const WorkloadCost& cost) {
  return {{"encode", &cost.encode}, {"project", &cost.project}, {"prefill", &cost.prefill}, {"token", &cost.token}};
}

double intensity_of(const OperatorCost& op) {
  return op.bytes > 0 ? op.flops / op.bytes : 0;
}

std::string operators_text(const NamedAnalysis& plan) {
  Table table;
  table.columns = {{plan.name, false, ""},    {"operator", false, ""}, {"runs", true, ""},
                   {"rows", true, ""},        {"FLOP", true, ""},      {"bytes", true, ""},
                   {"FLOP a byte", true, ""}, {"ms", true, ""},        {"bound by", false, ""}};
  for (const NamedStage& stage : stages_of(plan.analysis.cost)) {
    for (const OperatorCost& op : stage.stage->operators) {
      const char* bound = op.ms <= 0 ? "fused" : op.is_bound_by_memory ? "memory" : "computing";
      table.rows.push_back({stage.name, op.name, format("%.4g", op.count), format("%.4g", op.rows),
                            flops_text(op.flops), bytes_text(op.bytes),
                            op.bytes > 0 ? format("%.3g", intensity_of(op)) : "-", ms_text(op.ms), bound});
    }
  }
  return to_text(table);
}

std::string request_text(const AnalysisFacts& facts) {
  const WorkloadSpec& request = facts.request;
  std::string text = format("%lld tokens of text", static_cast<long long>(request.prompt_tokens));
  if (request.num_pictures > 0) {
    text += format(", %lld %s of %d x %d", static_cast<long long>(request.num_pictures),
                   request.num_pictures == 1 ? "picture" : "pictures", request.picture.width, request.picture.height);
  }
  text += format(", %lld generated", static_cast<long long>(request.generated_tokens));
  if (request.batch > 1) text += format(", a batch of %lld", static_cast<long long>(request.batch));
  return text;
}

nlohmann::ordered_json operators_json(const WorkloadCost& cost) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const NamedStage& stage : stages_of(cost)) {
    for (const OperatorCost& op : stage.stage->operators) {
      const char* bound = op.ms <= 0 ? "fused" : op.is_bound_by_memory ? "memory" : "computing";
      list.push_back({{"stage", stage.name},
                      {"operator", op.name},
                      {"runs", op.count},
                      {"rows", op.rows},
                      {"flops", op.flops},
                      {"bytes", op.bytes},
                      {"flops_per_byte", intensity_of(op)},
                      {"ms", op.ms},
                      {"bound", bound}});
    }
  }
  return list;
}

nlohmann::ordered_json plan_json(const NamedAnalysis& plan) {
  const Analysis& analysis = plan.analysis;
  const WorkloadCost& cost = analysis.cost;
  nlohmann::ordered_json memory = {{"weights_bytes", analysis.weight_bytes},
                                   {"kv_bytes", analysis.sized.workload.batch * cost.kv_bytes},
                                   {"activation_bytes", analysis.cost.activation_bytes},
                                   {"total_bytes", analysis.needed_bytes()},
                                   {"hardware_bytes", analysis.memory_bytes}};
  if (analysis.memory_bytes > 0) {
    memory["fits"] = analysis.fits();
    memory["sequences"] = analysis.num_sequences;
  }
  return {{"plan", plan.name},
          {"text_tokens", analysis.sized.text_tokens},
          {"laid_out_tokens", analysis.sized.laid_out_tokens},
          {"visual_tokens", analysis.sized.visual_tokens},
          {"tiles", analysis.sized.num_tiles},
          {"decoder_layers", analysis.sized.layers},
          {"flops",
           {{"encode", cost.encode.flops},
            {"project", cost.project.flops},
            {"prefill", cost.prefill.flops},
            {"decode", cost.decoded_tokens * cost.token.flops},
            {"total", cost.flops()},
            {"per_generated_token", analysis.flops_per_token()}}},
          {"bytes",
           {{"encode", cost.encode.bytes},
            {"project", cost.project.bytes},
            {"prefill", cost.prefill.bytes},
            {"token", cost.token.bytes},
            {"total", cost.bytes()}}},
          {"ms",
           {{"encode", cost.encode_ms()},
            {"prefill", cost.prefill.ms},
            {"ttft", cost.ttft_ms()},
            {"token", cost.token.ms},
            {"latency", cost.latency_ms()}}},
          {"memory_bound_ms",
           {{"encode", cost.encode.memory_ms + cost.project.memory_ms},
            {"prefill", cost.prefill.memory_ms},
            {"token", cost.token.memory_ms}}},
          {"memory", memory},
          {"notes", analysis.sized.notes}};
}

}  // namespace

std::string analysis_text(const AnalysisFacts& facts, bool lists_operators) {
  std::string text = one_line(facts.path) + ": " + one_line(facts.family) + ", " +
                     format_count(static_cast<uint64_t>(facts.num_parameters)) + " parameters\n" + request_text(facts) +
                     "\n" + facts.hardware + ": " + facts.source + "\n\n";
  Table table;
  table.columns.push_back({"", false, ""});
  for (const NamedAnalysis& plan : facts.plans) table.columns.push_back({plan.name, true, ""});
  for (const Row& row : rows()) {
    std::vector<std::string> cells = {row.title};
    for (const NamedAnalysis& plan : facts.plans) cells.push_back(row.text(plan.analysis));
    table.rows.push_back(std::move(cells));
  }
  text += to_text(table) + "\n";
  const WorkloadCost& last = facts.plans.back().analysis.cost;
  text += "bound by memory, by the " + one_line(facts.plans.back().name) + " plan\n";
  for (const NamedStage& stage : stages_of(last)) {
    if (!stage.stage->operators.empty()) text += format("  %-8s", stage.name) + memory_bound_text(*stage.stage) + "\n";
  }
  for (const NamedAnalysis& plan : facts.plans) {
    for (const std::string& note : plan.analysis.sized.notes)
      text += "note, " + one_line(plan.name) + ": " + note + "\n";
  }
  for (const NamedAnalysis& plan : facts.plans) {
    if (lists_operators) text += "\n" + operators_text(plan);
  }
  return text;
}

nlohmann::ordered_json analysis_json(const AnalysisFacts& facts, bool lists_operators) {
  nlohmann::ordered_json plans = nlohmann::ordered_json::array();
  for (const NamedAnalysis& plan : facts.plans) {
    plans.push_back(plan_json(plan));
    if (lists_operators) plans.back()["operators"] = operators_json(plan.analysis.cost);
  }
  const WorkloadSpec& request = facts.request;
  return {{"model", facts.path},
          {"family", facts.family},
          {"parameters", facts.num_parameters},
          {"hardware", facts.hardware},
          {"source", facts.source},
          {"request",
           {{"prompt_tokens", request.prompt_tokens},
            {"pictures", request.num_pictures},
            {"width", request.picture.width},
            {"height", request.picture.height},
            {"generated", request.generated_tokens},
            {"batch", request.batch}}},
          {"plans", plans}};
}

std::string hardware_text() {
  Table table;
  table.columns = {{"name", false, ""},
                   {"TFLOP/s, f16", true, ""},
                   {"TFLOP/s, f32", true, ""},
                   {"GB/s", true, ""},
                   {"memory", true, ""}};
  for (const Hardware& hardware : listed_hardware()) {
    table.rows.push_back({hardware.name, format("%.4g", hardware.linear.front().gflops / 1e3),
                          format("%.4g", hardware.vector_gflops / 1e3), format("%.4g", hardware.memory_gbytes),
                          format("%.0f GiB", hardware.memory_bytes / 1073741824)});
  }
  return to_text(table) +
         "\nFrom NVIDIA's data sheets (tensor cores, without sparsity): paper, nothing of it was measured here.\n"
         "\"this\" is this machine, as `saccade profile` measured it.\n";
}

nlohmann::ordered_json hardware_json() {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Hardware& hardware : listed_hardware()) {
    list.push_back({{"name", hardware.name},
                    {"f16_gflops", hardware.linear.front().gflops},
                    {"f32_gflops", hardware.vector_gflops},
                    {"memory_gbytes_per_second", hardware.memory_gbytes},
                    {"memory_bytes", hardware.memory_bytes},
                    {"source", "data sheet"}});
  }
  return {{"hardware", list}};
}

}  // namespace saccade
