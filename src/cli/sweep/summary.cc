#include "cli/sweep/summary.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/format.h"
#include "cli/eval_score.h"
#include "cli/sweep/grid.h"

namespace saccade {
namespace {

// A question and its repeat.
using Round = std::pair<int64_t, int64_t>;
using RoundResults = std::map<Round, std::map<std::string, const SweepResult*>>;

constexpr double kGiga = 1e9;

template <typename Value>
double mean_of(const std::vector<const SweepResult*>& results, Value value) {
  std::vector<double> values;
  for (const SweepResult* result : results) values.push_back(static_cast<double>(value(*result)));
  return mean(values);
}

template <typename Value>
double median_of(const std::vector<const SweepResult*>& results, Value value) {
  std::vector<double> values;
  for (const SweepResult* result : results) values.push_back(value(*result));
  return median(std::move(values));
}

WarmTimes median_times(const std::vector<const SweepResult*>& results, std::optional<WarmTimes> SweepResult::*times) {
  return {median_of(results, [&](const SweepResult& result) { return (result.*times)->latency_ms; }),
          median_of(results, [&](const SweepResult& result) { return (result.*times)->ttft_ms; })};
}

std::optional<ReuseRow> reuse_of(std::vector<const SweepResult*> results) {
  std::erase_if(results, [](const SweepResult* result) { return !result->same_picture; });
  if (results.empty()) return std::nullopt;
  ReuseRow row;
  row.num_items = static_cast<int64_t>(results.size());
  row.cold = {median_of(results, [](const SweepResult& result) { return result.latency_ms; }),
              median_of(results, [](const SweepResult& result) { return result.ttft_ms; })};
  row.same_picture = median_times(results, &SweepResult::same_picture);
  const bool has_other =
      std::ranges::all_of(results, [](const SweepResult* one) { return one->other_picture.has_value(); });
  if (has_other) row.other_picture = median_times(results, &SweepResult::other_picture);
  return row;
}

void add_decode_per_token(const std::vector<const SweepResult*>& results, SweepRow& row) {
  double num_tokens = 0;
  double ms = 0;
  double flops = 0;
  for (const SweepResult* result : results) {
    if (result->generated_tokens < 2) continue;
    num_tokens += static_cast<double>(result->generated_tokens - 1);  // the first comes of the prefill
    ms += result->decode_ms;
    flops += result->flops.decode;
  }
  if (num_tokens == 0) return;
  row.decode_ms_per_token = ms / num_tokens;
  row.decode_flops_per_token = flops / num_tokens;
}

void add_quality(const std::vector<const SweepResult*>& results, const std::vector<const SweepResult*>& full,
                 SweepRow& row) {
  double num_right = 0;
  double num_agreeing = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const bool agrees = normalize_answer(results[i]->answer) == normalize_answer(full[i]->answer);
    num_agreeing += agrees ? 1 : 0;
    num_right += results[i]->is_right.value_or(agrees) ? 1 : 0;
  }
  const auto count = static_cast<double>(results.size());
  row.quality = num_right / count;
  row.agreement = num_agreeing / count;
  row.quality_error = std::sqrt(row.quality * (1 - row.quality) / static_cast<double>(row.num_items));
}

SweepRow make_row(const NamedPlan& plan, const std::vector<const SweepResult*>& results) {
  SweepRow row;
  row.plan = plan;
  row.series = series_of(plan.plan);
  row.is_baseline = is_baseline(plan.plan);
  row.num_layers = results.front()->num_layers;
  const auto all = [&](auto value) { return mean_of(results, value); };
  row.laid_out_tokens = all([](const SweepResult& result) { return result.laid_out_tokens; });
  row.encoded_tokens = all([](const SweepResult& result) { return result.encoded_tokens; });
  row.visual_tokens = all([](const SweepResult& result) { return result.visual_tokens; });
  row.generated_tokens = all([](const SweepResult& result) { return result.generated_tokens; });
  row.layers = all([](const SweepResult& result) { return result.layers; });
  row.decode_layers = all([](const SweepResult& result) { return result.decode_layers; });
  row.flops.encode = all([](const SweepResult& result) { return result.flops.encode; });
  row.flops.prefill = all([](const SweepResult& result) { return result.flops.prefill; });
  row.flops.decode = all([](const SweepResult& result) { return result.flops.decode; });
  row.prepare_ms = all([](const SweepResult& result) { return result.prepare_ms; });
  row.encode_ms = all([](const SweepResult& result) { return result.encode_ms; });
  row.compress_ms = all([](const SweepResult& result) { return result.compress_ms; });
  row.prefill_ms = all([](const SweepResult& result) { return result.prefill_ms; });
  row.decode_ms = all([](const SweepResult& result) { return result.decode_ms; });
  row.latency_ms = median_of(results, [](const SweepResult& result) { return result.latency_ms; });
  row.ttft_ms = median_of(results, [](const SweepResult& result) { return result.ttft_ms; });
  add_decode_per_token(results, row);
  row.reuse = reuse_of(results);
  return row;
}

void mark_fronts(std::vector<SweepRow>& rows) {
  std::vector<Sample> by_flops;
  std::vector<Sample> by_ms;
  for (const SweepRow& row : rows) {
    by_flops.push_back({row.flops.total(), row.quality});
    by_ms.push_back({row.latency_ms, row.quality});
  }
  for (const size_t i : pareto_front(by_flops)) rows[i].is_on_flops_front = true;
  for (const size_t i : pareto_front(by_ms)) rows[i].is_on_ms_front = true;
}

Linearity fit_all(const std::vector<SweepRow>& rows) {
  std::vector<Sample> encode;
  std::vector<Sample> prefill;
  std::vector<Sample> decode;
  for (const SweepRow& row : rows) {
    encode.push_back({row.flops.encode / kGiga, row.encode_ms});
    prefill.push_back({row.flops.prefill / kGiga, row.prefill_ms});
    if (row.decode_ms_per_token > 0) decode.push_back({row.decode_flops_per_token / kGiga, row.decode_ms_per_token});
  }
  return {fit_line(encode), fit_line(prefill), fit_line(decode)};
}

// Questions that every plan was asked, with the answers by plan.
RoundResults whole_rounds(const SweepRecord& record, size_t num_plans) {
  RoundResults rounds;
  for (const SweepResult& result : record.results) {
    if (!record.refused.contains(result.plan)) rounds[{result.item, result.repeat}][result.plan] = &result;
  }
  std::erase_if(rounds, [&](const auto& round) { return round.second.size() < num_plans; });
  return rounds;
}

}  // namespace

std::string line_text(const LineFit& fit) {
  return format("%.3g ms per GFLOP %c %.3g ms", fit.slope, fit.intercept < 0 ? '-' : '+', std::abs(fit.intercept));
}

SweepSummary summarize(const SweepRecord& record, const std::vector<NamedPlan>& plans, const EvalSet& set) {
  SweepSummary summary;
  std::vector<NamedPlan> carried_out;
  for (const NamedPlan& plan : plans) {
    const auto refusal = record.refused.find(plan.name);
    if (refusal == record.refused.end()) {
      carried_out.push_back(plan);
    } else {
      summary.refused.emplace_back(plan.name, refusal->second);
    }
  }
  const RoundResults rounds = whole_rounds(record, carried_out.size());
  if (rounds.empty()) return summary;
  std::map<int64_t, bool> items;
  for (const auto& [round, results] : rounds)
    items[round.first] = set.items[static_cast<size_t>(round.first)].answer.has_value();
  summary.num_labelled = std::ranges::count_if(items, [](const auto& item) { return item.second; });

  std::vector<const SweepResult*> full;
  for (const auto& [round, results] : rounds) full.push_back(results.at(plans.front().name));
  for (const NamedPlan& plan : carried_out) {
    std::vector<const SweepResult*> of_plan;
    for (const auto& [round, results] : rounds) of_plan.push_back(results.at(plan.name));
    SweepRow row = make_row(plan, of_plan);
    row.num_items = static_cast<int64_t>(items.size());
    add_quality(of_plan, full, row);
    summary.rows.push_back(std::move(row));
  }
  const SweepRow base = summary.rows.front();
  const auto share = [](double part, double whole) { return whole > 0 ? part / whole : 0; };
  for (SweepRow& row : summary.rows) {
    row.flops_share = share(row.flops.total(), base.flops.total());
    row.latency_share = share(row.latency_ms, base.latency_ms);
    row.quality_share = share(row.quality, base.quality);
  }
  mark_fronts(summary.rows);
  summary.linearity = fit_all(summary.rows);
  return summary;
}

}  // namespace saccade
