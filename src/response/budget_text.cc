#include "response/budget_text.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/format.h"

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kUnknownBytes = std::numeric_limits<uint64_t>::max();

double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

template <typename Value>
void add_if(Json& json, const char* name, const std::optional<Value>& value) {
  if (value) json[name] = *value;
}

const char* kind_name(QualityClaim::Kind kind) {
  switch (kind) {
    case QualityClaim::Kind::kFull:
      return "full";
    case QualityClaim::Kind::kCertified:
      return "certified";
    case QualityClaim::Kind::kMeasured:
      return "measured";
    case QualityClaim::Kind::kPrior:
      return "uncertified";
  }
  return "";
}

std::string met_text(std::optional<bool> is_met) {
  return is_met.value_or(true) ? "kept" : "MISSED";
}

// "within 300 ms", "at a quality of 0.97 or more"; empty where nothing was asked.
std::string asked_text(const Budget& budget) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (budget.max_latency_ms) add(format("within %.4g ms", *budget.max_latency_ms));
  if (budget.max_ttft_ms) add(format("the first token within %.4g ms", *budget.max_ttft_ms));
  if (budget.max_cost_usd) add(format("for %.4g usd at most", *budget.max_cost_usd));
  if (budget.min_quality) add(format("keeping %.4g of the quality", *budget.min_quality));
  return text;
}

std::string outcome_text(const BudgetReceipt& told) {
  std::string text;
  const auto add = [&](const char* what, std::optional<bool> is_met) {
    if (is_met) text += format("%s%s %s", text.empty() ? "" : ", ", what, met_text(is_met).c_str());
  };
  add("time", told.met_latency);
  add("first token", told.met_ttft);
  add("cost", told.met_cost);
  add("quality", told.met_quality);
  return text;
}

}  // namespace

Json prediction_json(const Prediction& prediction) {
  return {{"ttft_ms", rounded(prediction.ttft_ms)},
          {"ttft_p95_ms", rounded(prediction.ttft_p95_ms)},
          {"latency_ms", rounded(prediction.latency_ms)},
          {"latency_p95_ms", rounded(prediction.latency_p95_ms)},
          {"cost_usd", prediction.cost_usd},
          {"quality", rounded(prediction.quality)},
          {"generated_tokens", prediction.generated_tokens},
          {"stages_ms",
           {{"media", rounded(prediction.stages_ms.media_decode)},
            {"encode", rounded(prediction.stages_ms.encode)},
            {"compress", rounded(prediction.stages_ms.compress)},
            {"prefill", rounded(prediction.stages_ms.prefill)},
            {"decode", rounded(prediction.stages_ms.decode)}}}};
}

Json claim_json(const QualityClaim& claim) {
  Json json = {{"kind", kind_name(claim.kind)}};
  if (claim.kind == QualityClaim::Kind::kFull) return json;
  json["task_class"] = claim.task_class;
  json["epsilon"] = claim.epsilon;
  if (claim.kind == QualityClaim::Kind::kCertified) json["delta"] = claim.delta;
  if (claim.num_questions > 0) json["questions"] = claim.num_questions;
  return json;
}

Json cost_json(const CostReceipt& cost) {
  Json json = {{"usd", cost.usd}};
  add_if(json, "full_plan_usd", cost.full_plan_usd);
  return json;
}

Json budget_json(const BudgetReceipt& told) {
  Json asked = {{"mode", told.asked.mode == BudgetMode::kStrict ? "strict" : "best_effort"}};
  add_if(asked, "max_latency_ms", told.asked.max_latency_ms);
  add_if(asked, "max_ttft_ms", told.asked.max_ttft_ms);
  add_if(asked, "max_cost_usd", told.asked.max_cost_usd);
  add_if(asked, "min_quality", told.asked.min_quality);
  if (told.asked.waited_ms > 0) asked["waited_ms"] = told.asked.waited_ms;
  if (told.asked.num_queued > 0) asked["num_queued"] = told.asked.num_queued;
  Json changes = Json::array();
  for (const PlanChange& change : told.changes) {
    changes.push_back(
        {{"at_ms", rounded(change.at_ms)}, {"stage", change.stage}, {"reason", change.reason}, {"plan", change.plan}});
  }
  Json json = {{"asked", std::move(asked)},
               {"task_class", told.task_class},
               {"predicted_first", prediction_json(told.predicted_first)},
               {"predicted", prediction_json(told.predicted)},
               {"full_plan", prediction_json(told.full)},
               {"claim", claim_json(told.claim)},
               {"policy", told.decision.policy},
               {"propensity", told.decision.propensity},
               {"changes", std::move(changes)},
               {"planning_ms", rounded(told.planning_ms)}};
  if (!told.shortfall.empty()) json["shortfall"] = told.shortfall;
  add_if(json, "met_latency", told.met_latency);
  add_if(json, "met_ttft", told.met_ttft);
  add_if(json, "met_cost", told.met_cost);
  add_if(json, "met_quality", told.met_quality);
  return json;
}

Json explanation_json(const PlanExplanation& explanation) {
  Json plans = Json::array();
  for (const ConsideredPlan& plan : explanation.plans) {
    plans.push_back({{"plan", plan.plan},
                     {"predicted", prediction_json(plan.predicted)},
                     {"claim", claim_json(plan.claim)},
                     {"visual_tokens", plan.visual_tokens},
                     {"chosen", plan.is_chosen},
                     {"verdict", plan.verdict}});
  }
  Json json = {{"task_class", explanation.task_class},
               {"plans", std::move(plans)},
               {"compared", explanation.num_compared},
               {"planning_ms", rounded(explanation.planning_ms)},
               {"machine_measured", explanation.is_machine_measured},
               {"calibrated", explanation.is_calibrated}};
  if (explanation.free_memory_bytes != kUnknownBytes) json["free_memory_bytes"] = explanation.free_memory_bytes;
  add_if(json, "cpu_pressure", explanation.cpu_pressure);
  if (!explanation.shortfall.empty()) json["shortfall"] = explanation.shortfall;
  return json;
}

std::string claim_text(const QualityClaim& claim) {
  const double percent = 100 * claim.epsilon;
  switch (claim.kind) {
    case QualityClaim::Kind::kFull:
      return "the full plan: nothing is lost";
    case QualityClaim::Kind::kCertified:
      return format("certified: loses no more than %.1f %% (%.0f %% sure, %lld questions of class %s)", percent,
                    100 * (1 - claim.delta), static_cast<long long>(claim.num_questions), claim.task_class.c_str());
    case QualityClaim::Kind::kMeasured:
      return format("uncertified: %.1f %% are expected to be lost of class %s, by the model's calibration", percent,
                    claim.task_class.c_str());
    case QualityClaim::Kind::kPrior:
      if (claim.epsilon >= 1) return "uncertified: nothing was measured of what the request's own plan leaves out";
      return format("uncertified: %.1f %% are expected to be lost, by figures of other models; see saccade calibrate",
                    percent);
  }
  return "";
}

std::string drift_text(const DriftAlarm& alarm) {
  return format("plan %s lost %.1f %% of %lld answers of class %s, where %.1f %% were certified", alarm.plan.c_str(),
                100 * alarm.mean_loss, static_cast<long long>(alarm.num_answers), alarm.task_class.c_str(),
                100 * alarm.epsilon);
}

std::string cost_line(const Receipt& receipt) {
  if (!receipt.cost) return "";
  std::string line = format("  cost %.3g usd", receipt.cost->usd);
  if (receipt.cost->full_plan_usd) line += format(", the full plan %.3g", *receipt.cost->full_plan_usd);
  return line + "\n";
}

std::string budget_lines(const Receipt& receipt) {
  if (!receipt.budget) return "";
  const BudgetReceipt& told = *receipt.budget;
  const double latency_ms = receipt.latency_ms - receipt.stages_ms.load + told.asked.waited_ms;
  std::string lines = format("  asked %s: %s\n", asked_text(told.asked).c_str(), outcome_text(told).c_str());
  lines += format("  took %.1f ms without loading, predicted %.1f (95 %%: %.1f); the full plan %.1f\n", latency_ms,
                  told.predicted.latency_ms, told.predicted.latency_p95_ms, told.full.latency_ms);
  lines += format("  plan %s\n", receipt.plan.c_str());
  for (const PlanChange& change : told.changes) {
    lines += format("  changed at %.1f ms, behind %s: %s\n", change.at_ms, change.stage.c_str(), change.reason.c_str());
  }
  lines += format("  quality %s\n", claim_text(told.claim).c_str());
  if (!told.shortfall.empty()) lines += format("  %s\n", told.shortfall.c_str());
  return lines;
}

std::string explanation_text(const PlanExplanation& explanation) {
  size_t width = 4;
  for (const ConsideredPlan& plan : explanation.plans) width = std::max(width, plan.plan.size());
  const auto columns = static_cast<int>(width);
  std::string text =
      format("%lld plans compared in %.2f ms for a question of class %s; those worth a look:\n\n",
             static_cast<long long>(explanation.num_compared), explanation.planning_ms, explanation.task_class.c_str());
  text += format("  %-*s %9s %9s %9s %8s %8s\n", columns, "plan", "ms p50", "ms p95", "first", "tokens", "quality");
  for (const ConsideredPlan& plan : explanation.plans) {
    text += format("%c %-*s %9.1f %9.1f %9.1f %8lld %8.3f  %s\n", plan.is_chosen ? '>' : ' ', columns,
                   plan.plan.c_str(), plan.predicted.latency_ms, plan.predicted.latency_p95_ms, plan.predicted.ttft_ms,
                   static_cast<long long>(plan.visual_tokens), plan.predicted.quality, plan.verdict.c_str());
  }
  text += '\n';
  for (const ConsideredPlan& plan : explanation.plans) {
    if (plan.is_chosen) text += "quality " + claim_text(plan.claim) + "\n";
  }
  if (!explanation.shortfall.empty()) text += explanation.shortfall + "\n";
  if (explanation.free_memory_bytes != kUnknownBytes) {
    text += "memory free for the answer: " + format_bytes(explanation.free_memory_bytes) + "\n";
  }
  if (explanation.cpu_pressure) {
    text += format("processors: something waited for one in %.0f %% of the last ten seconds\n",
                   100 * *explanation.cpu_pressure);
  }
  if (!explanation.is_machine_measured)
    text += "the machine was not measured: times begin with a guess; see saccade profile\n";
  if (!explanation.is_calibrated)
    text += "the model is not calibrated: quality is that of other models; see saccade calibrate\n";
  return text;
}

}  // namespace saccade
