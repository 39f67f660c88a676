#include "engine/explain.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/format.h"
#include "platform/clock.h"
#include "platform/cpu_pressure.h"
#include "request/plan_text.h"

namespace saccade {
namespace {

constexpr size_t kMaxShown = 24;

// Those that no other beats in both time and quality, the fastest first.
std::vector<Candidate> front_of(std::vector<Candidate> candidates) {
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    return std::pair(a.latency_p95_ms, a.loss) < std::pair(b.latency_p95_ms, b.loss);
  });
  std::vector<Candidate> front;
  for (const Candidate& candidate : candidates) {
    if (front.empty() || candidate.loss < front.back().loss) front.push_back(candidate);
  }
  return front;
}

// No more than are read at a glance: the ends, and the others evenly between them.
std::vector<Candidate> thinned(const std::vector<Candidate>& front) {
  if (front.size() <= kMaxShown) return front;
  std::vector<Candidate> some;
  for (size_t i = 0; i < kMaxShown; ++i) some.push_back(front[i * (front.size() - 1) / (kMaxShown - 1)]);
  return some;
}

std::string reason(const PlanRequest& request, const Candidate& candidate, Verdict verdict) {
  const Budget& budget = request.budget;
  switch (verdict) {
    case Verdict::kTooLarge:
      return size_text(request.facts, candidate);
    case Verdict::kTooSlow:
      return format("over %.4g ms in one case of twenty (%.4g)", *budget.max_latency_ms, candidate.latency_p95_ms);
    case Verdict::kFirstTokenTooLate:
      return format("first token over %.4g ms in one case of twenty (%.4g)", *budget.max_ttft_ms,
                    candidate.ttft_p95_ms);
    case Verdict::kTooDear:
      return format("%.4g usd, over %.4g", candidate.cost_usd, *budget.max_cost_usd);
    case Verdict::kTooBad:
      return format("a quality of %.4g is not promised by it", *budget.min_quality);
    case Verdict::kChosen:
      break;
  }
  return budget.min_quality ? "keeps the budget, and takes longer than the one chosen"
                            : "keeps the budget, but its quality for its time is less worth";
}

ConsideredPlan told(const Planner& planner, const Planning& planning, const PlanRequest& request, const Plan& fixed,
                    const Candidate& candidate) {
  ConsideredPlan plan;
  plan.plan = plan_text(to_plan(candidate.levers, fixed, planning.strategy));
  plan.predicted = prediction_of(candidate, request.facts.expected_tokens);
  plan.claim = planner.claim_of(request, candidate);
  plan.visual_tokens = std::llround(candidate.visual_tokens);
  plan.verdict = reason(request, candidate, planner.verdict(request, candidate));
  return plan;
}

}  // namespace

Prediction prediction_of(const Candidate& candidate, double expected_tokens) {
  const auto ms = [&](CostStage stage) { return candidate.stages_ms[static_cast<size_t>(stage)]; };
  Prediction prediction;
  prediction.ttft_ms = candidate.ttft_ms;
  prediction.ttft_p95_ms = candidate.ttft_p95_ms;
  prediction.latency_ms = candidate.latency_ms;
  prediction.latency_p95_ms = candidate.latency_p95_ms;
  prediction.cost_usd = candidate.cost_usd;
  prediction.quality = 1 - candidate.loss;
  prediction.generated_tokens = expected_tokens;
  prediction.stages_ms.media_decode = ms(CostStage::kMedia);
  prediction.stages_ms.encode = ms(CostStage::kEncode);
  prediction.stages_ms.compress = ms(CostStage::kCompress);
  prediction.stages_ms.prefill = ms(CostStage::kPrefill);
  prediction.stages_ms.decode = ms(CostStage::kDecode) * std::max(0.0, expected_tokens - 1);
  return prediction;
}

PlanExplanation explain(const Planning& planning, const PlanRequest& request, const Plan& fixed) {
  const Planner planner(planning.costs, planning.quality);
  const Stopwatch clock;
  const PlanChoice choice = planner.choose(request);
  PlanExplanation explanation;
  explanation.planning_ms = clock.elapsed_ms();
  explanation.task_class = request.task_class;
  explanation.shortfall = choice.shortfall;
  constexpr double kUnknown = 1e18;
  explanation.free_memory_bytes = request.facts.free_bytes < kUnknown ? static_cast<uint64_t>(request.facts.free_bytes)
                                                                      : std::numeric_limits<uint64_t>::max();
  explanation.cpu_pressure = cpu_pressure();
  explanation.num_compared = choice.num_compared;
  explanation.is_machine_measured = planning.is_machine_measured;
  explanation.is_calibrated = planning.quality.is_calibrated;
  std::vector<Candidate> all;
  planner.for_each(request, [&](const Candidate& candidate) { all.push_back(candidate); });
  std::vector<Candidate> shown = thinned(front_of(std::move(all)));
  for (const Candidate& other : {choice.chosen, choice.full}) {
    if (std::ranges::none_of(shown, [&](const Candidate& one) { return one.is_same(other); })) shown.push_back(other);
  }
  std::ranges::stable_sort(shown, {}, &Candidate::latency_p95_ms);
  for (const Candidate& candidate : shown) {
    ConsideredPlan plan = told(planner, planning, request, fixed, candidate);
    plan.is_chosen = candidate.is_same(choice.chosen);
    if (plan.is_chosen) plan.verdict = choice.shortfall.empty() ? "chosen" : "chosen: the nearest there is";
    if (candidate.goes_on) plan.verdict += "; takes over the conversation's rows";
    explanation.plans.push_back(std::move(plan));
  }
  return explanation;
}

}  // namespace saccade
