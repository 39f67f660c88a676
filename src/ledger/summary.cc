#include "ledger/summary.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/quantile.h"
#include "ledger/utc_time.h"

namespace saccade {
namespace {

constexpr const char* kGroupNames[] = {"day", "model", "plan", "modality", "account", "task_class"};

std::string key_of(const LedgerEntry& entry, GroupBy by) {
  switch (by) {
    case GroupBy::kDay:
      return day_text(entry.time_us);
    case GroupBy::kModel:
      return entry.model;
    case GroupBy::kPlan:
      return entry.plan;
    case GroupBy::kModality:
      return entry.modality;
    case GroupBy::kAccount:
      return entry.account;
    case GroupBy::kTaskClass:
      return entry.task_class;
  }
  return "";
}

void add(const std::optional<double>& value, Mean& mean) {
  if (!value) return;
  mean.value += *value;
  ++mean.count;
}

void divide(Mean& mean) {
  if (mean.count > 0) mean.value /= static_cast<double>(mean.count);
}

bool is_deadline_met(const LedgerEntry& entry) {
  return entry.met_latency.value_or(true) && entry.met_ttft.value_or(true);
}

}  // namespace

const char* name_of(GroupBy key) {
  return kGroupNames[static_cast<int>(key)];
}

std::optional<GroupBy> parse_group_by(std::string_view name) {
  const auto found = std::ranges::find(kGroupNames, name);
  if (found == std::end(kGroupNames)) return std::nullopt;
  return static_cast<GroupBy>(found - std::begin(kGroupNames));
}

std::vector<std::string> known_groups() {
  return {std::begin(kGroupNames), std::end(kGroupNames)};
}

void Summarizer::add(const LedgerRecord& record) {
  std::vector<std::string> key;
  for (const GroupBy by : by_) key.push_back(key_of(record.entry, by));
  count(record, groups_[std::move(key)]);
  count(record, total_);
}

void Summarizer::count(const LedgerRecord& record, Tally& tally) {
  const LedgerEntry& entry = record.entry;
  GroupSummary& sums = tally.sums;
  ++sums.num_requests;
  sums.num_refused += entry.status == RequestStatus::kRefused ? 1 : 0;
  sums.num_failed += entry.status == RequestStatus::kFailed ? 1 : 0;
  sums.num_cancelled += entry.status == RequestStatus::kCancelled ? 1 : 0;
  sums.tokens_before += entry.text_tokens + entry.laid_out_visual_tokens;
  sums.tokens_after += entry.text_tokens + entry.visual_tokens;
  sums.generated_tokens += entry.generated_tokens;
  if (entry.cost_usd) {
    ++sums.num_priced;
    sums.cost_usd += *entry.cost_usd;
    if (entry.full_plan_usd) {
      sums.full_plan_usd += *entry.full_plan_usd;
      sums.saved_usd += *entry.full_plan_usd - *entry.cost_usd;
    }
  }
  if (entry.met_latency || entry.met_ttft) {
    ++sums.num_deadlines;
    sums.num_deadlines_met += is_deadline_met(entry) ? 1 : 0;
  }
  saccade::add(entry.predicted_quality, sums.predicted_quality);
  saccade::add(record.user_score, sums.user_score);
  saccade::add(record.shadow_score, sums.shadow_score);
  if (entry.status == RequestStatus::kOk && entry.latency_ms) count_latency(entry, tally);
}

void Summarizer::count_latency(const LedgerEntry& entry, Tally& tally) {
  const double latency_ms = *entry.latency_ms;
  tally.latencies_ms.push_back(latency_ms);
  saccade::add(latency_ms, tally.sums.latency_ms);
  saccade::add(entry.predicted_latency_ms, tally.sums.predicted_latency_ms);
  if (entry.predicted_latency_ms && latency_ms > 0) {
    tally.errors.push_back(std::abs(*entry.predicted_latency_ms - latency_ms) / latency_ms);
  }
  if (entry.predicted_latency_p95_ms) {
    ++tally.num_with_p95;
    tally.num_within_p95 += latency_ms <= *entry.predicted_latency_p95_ms ? 1 : 0;
  }
}

GroupSummary Summarizer::finish(const Tally& tally) {
  GroupSummary group = tally.sums;
  for (Mean* mean : {&group.latency_ms, &group.predicted_latency_ms, &group.predicted_quality, &group.user_score,
                     &group.shadow_score}) {
    divide(*mean);
  }
  group.latency_p95_ms = quantile(tally.latencies_ms, 0.95);
  if (!tally.errors.empty()) group.prediction_error = quantile(tally.errors, 0.5);
  if (tally.num_with_p95 > 0) {
    group.share_within_p95 = static_cast<double>(tally.num_within_p95) / static_cast<double>(tally.num_with_p95);
  }
  return group;
}

LedgerSummary Summarizer::summary() const {
  LedgerSummary summary;
  for (const auto& [key, tally] : groups_) {
    summary.groups.push_back(finish(tally));
    summary.groups.back().key = key;
  }
  summary.total = finish(total_);
  return summary;
}

}  // namespace saccade
