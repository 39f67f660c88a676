#include "cli/report/report.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/format.h"
#include "cli/plot/page.h"
#include "cli/plot/svg.h"
#include "cli/printable_text.h"
#include "cli/report/charts.h"
#include "cli/sweep/table.h"
#include "ledger/utc_time.h"
#include "response/budget_text.h"

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

std::string count(int64_t number) {
  return format("%lld", static_cast<long long>(number));
}

std::string count_unless_none(int64_t number) {
  return number == 0 ? "" : count(number);
}

std::string percent(double share) {
  return format("%.1f %%", 100 * share);
}

// With the digits that small prices need.
std::string usd(double amount) {
  return format(std::abs(amount) < 100 ? "%.4g" : "%.2f", amount);
}

std::string mean_text(const Mean& mean, const char* pattern_of_two) {
  return mean.count == 0 ? "" : format(pattern_of_two, mean.value, static_cast<long long>(mean.count));
}

std::vector<TableColumn> columns_of(const LedgerReport& report) {
  std::vector<TableColumn> columns;
  for (const GroupBy by : report.by) columns.push_back({name_of(by), false, "what the requests have in common"});
  const TableColumn rest[] = {
      {"requests", true, "all, refused and failed ones too"},
      {"refused", true, "before anything was computed"},
      {"failed", true, ""},
      {"cancelled", true, "by whoever asked"},
      {"tokens", true, "of prompts: text, and visual tokens as laid out"},
      {"after", true, "of prompts, as the decoder was given them"},
      {"USD", true, "spent"},
      {"full USD", true, "what the full plan would have cost"},
      {"saved", true, "of the full plan's cost"},
      {"saved USD", true, ""},
      {"in time", true, "share of the requests with a deadline that were answered by then; the number of these"},
      {"ms", true, "latency of whole answers, mean"},
      {"p95", true, "latency that one answer of twenty passes"},
      {"off by", true, "median difference of the predicted latency, as a share of the measured one"},
      {"under p95", true, "share of answers no slower than the p95 predicted: 95 % is right"},
      {"quality", true, "share of the full plan's, predicted, mean"},
      {"users", true, "feedback, mean; the number of answers with one"},
      {"shadow", true, "score of shadow runs, mean; their number"}};
  columns.insert(columns.end(), std::begin(rest), std::end(rest));
  return columns;
}

// The cells behind the key, in the order of columns_of(). What was never told is empty.
std::vector<std::string> cells_of(const GroupSummary& group) {
  const bool is_priced = group.num_priced > 0;
  const bool has_full = group.full_plan_usd > 0;
  const auto met =
      static_cast<double>(group.num_deadlines_met) / static_cast<double>(std::max<int64_t>(1, group.num_deadlines));
  const bool has_latency = group.latency_ms.count > 0;
  return {count(group.num_requests),
          count_unless_none(group.num_refused),
          count_unless_none(group.num_failed),
          count_unless_none(group.num_cancelled),
          count(group.tokens_before),
          count(group.tokens_after),
          is_priced ? usd(group.cost_usd) : "",
          has_full ? usd(group.full_plan_usd) : "",
          has_full ? percent(group.saved_share()) : "",
          has_full ? usd(group.saved_usd) : "",
          group.num_deadlines > 0 ? percent(met) + " of " + count(group.num_deadlines) : "",
          has_latency ? format("%.1f", group.latency_ms.value) : "",
          has_latency ? format("%.1f", group.latency_p95_ms) : "",
          group.prediction_error ? percent(*group.prediction_error) : "",
          group.share_within_p95 ? percent(*group.share_within_p95) : "",
          group.predicted_quality.count > 0 ? percent(group.predicted_quality.value) : "",
          mean_text(group.user_score, "%.3f of %lld"),
          mean_text(group.shadow_score, "%.3f of %lld")};
}

// Columns behind the first `num_kept` of which no row has anything.
void drop_empty_columns(Table& table, size_t num_kept) {
  for (size_t i = table.columns.size(); i-- > num_kept;) {
    if (!std::ranges::all_of(table.rows, [&](const auto& row) { return row[i].empty(); })) continue;
    table.columns.erase(table.columns.begin() + static_cast<std::ptrdiff_t>(i));
    for (auto& row : table.rows) row.erase(row.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

Table group_table(const LedgerReport& report) {
  Table table = {.columns = columns_of(report), .rows = {}};
  const auto add = [&](std::vector<std::string> row, const GroupSummary& group) {
    std::ranges::move(cells_of(group), std::back_inserter(row));
    table.rows.push_back(std::move(row));
  };
  for (const GroupSummary& group : report.summary.groups) {
    std::vector<std::string> key = group.key;
    for (std::string& part : key) part = part.empty() ? "(none)" : part;
    add(std::move(key), group);
  }
  if (report.summary.groups.size() != 1) {
    std::vector<std::string> key(report.by.size());
    key.front() = "all";
    add(std::move(key), report.summary.total);
  }
  drop_empty_columns(table, report.by.size());
  return table;
}

std::string period_of(const LedgerReport& report) {
  const auto& days = report.by_day.groups;
  if (days.empty()) return "";
  const std::string& first = days.front().key.front();
  const std::string& last = days.back().key.front();
  return first == last ? ", on " + first : ", from " + first + " to " + last;
}

// What stands over the table, a line each.
std::vector<std::string> headlines(const LedgerReport& report) {
  const GroupSummary& total = report.summary.total;
  std::vector<std::string> lines;
  lines.push_back("ledger " + report.path);
  lines.push_back(count(total.num_requests) + (total.num_requests == 1 ? " request" : " requests") + period_of(report));
  if (total.full_plan_usd > 0) {
    lines.push_back(format("%s USD spent; the full plan would have cost %s USD more: %s saved",
                           usd(total.cost_usd).c_str(), usd(total.saved_usd).c_str(),
                           percent(total.saved_share()).c_str()));
  }
  if (total.num_deadlines > 0) {
    lines.push_back(count(total.num_deadlines_met) + " of " + count(total.num_deadlines) +
                    " requests with a deadline were answered in time");
  }
  for (const auto& [model, watch] : report.drift) {
    for (const DriftAlarm& alarm : watch.alarms()) {
      lines.push_back("drift: " + model + ": " + drift_text(alarm) + ": calibrate the model anew");
    }
  }
  return lines;
}

Json to_json(const Mean& mean) {
  return {{"mean", mean.count > 0 ? Json(mean.value) : Json()}, {"n", mean.count}};
}

Json to_json(const std::optional<double>& number) {
  return number ? Json(*number) : Json();
}

Json to_json(const GroupSummary& group) {
  return {{"requests", group.num_requests},
          {"refused", group.num_refused},
          {"failed", group.num_failed},
          {"cancelled", group.num_cancelled},
          {"tokens_before", group.tokens_before},
          {"tokens_after", group.tokens_after},
          {"generated_tokens", group.generated_tokens},
          {"priced", group.num_priced},
          {"cost_usd", group.cost_usd},
          {"full_plan_usd", group.full_plan_usd},
          {"saved_usd", group.saved_usd},
          {"saved_share", group.saved_share()},
          {"deadlines", group.num_deadlines},
          {"deadlines_met", group.num_deadlines_met},
          {"latency_ms", to_json(group.latency_ms)},
          {"latency_p95_ms", group.latency_ms.count > 0 ? Json(group.latency_p95_ms) : Json()},
          {"predicted_latency_ms", to_json(group.predicted_latency_ms)},
          {"prediction_error", to_json(group.prediction_error)},
          {"share_within_p95", to_json(group.share_within_p95)},
          {"predicted_quality", to_json(group.predicted_quality)},
          {"user_score", to_json(group.user_score)},
          {"shadow_score", to_json(group.shadow_score)}};
}

}  // namespace

void watch_drift(const LedgerRecord& record, std::map<std::string, DriftWatch>& drift) {
  const LedgerEntry& entry = record.entry;
  const bool is_watched = record.shadow_score && entry.claim_kind == QualityClaim::Kind::kCertified;
  if (is_watched) drift[entry.model].add(entry.task_class, entry.plan, 1 - *record.shadow_score, entry.claim_epsilon);
}

std::string report_text(const LedgerReport& report) {
  std::string text;
  for (const std::string& line : headlines(report)) text += one_line(line) + "\n";
  if (!report.summary.groups.empty()) text += "\n" + to_text(group_table(report));
  return text;
}

Json report_json(const LedgerReport& report) {
  const auto day = [](const std::optional<int64_t>& time_us) { return time_us ? Json(day_text(*time_us)) : Json(); };
  Json json = {{"ledger", report.path}, {"since", day(report.since_us)}, {"until", day(report.until_us)},
               {"by", Json::array()},   {"groups", Json::array()},       {"total", to_json(report.summary.total)}};
  for (const GroupBy by : report.by) json["by"].push_back(name_of(by));
  for (const GroupSummary& group : report.summary.groups) {
    Json key;
    for (size_t i = 0; i < report.by.size(); ++i) key[name_of(report.by[i])] = group.key[i];
    Json row = {{"key", std::move(key)}};
    row.update(to_json(group));
    json["groups"].push_back(std::move(row));
  }
  json["drift"] = Json::array();
  for (const auto& [model, watch] : report.drift) {
    for (const DriftAlarm& alarm : watch.alarms()) {
      json["drift"].push_back({{"model", model},
                               {"task_class", alarm.task_class},
                               {"plan", alarm.plan},
                               {"mean_loss", alarm.mean_loss},
                               {"epsilon", alarm.epsilon},
                               {"answers", alarm.num_answers}});
    }
  }
  return json;
}

std::string report_html(const LedgerReport& report) {
  std::string html = plot::html_list(headlines(report));
  for (const plot::Drawing& drawing : report_charts(report.by_day)) html += plot::to_svg(drawing);
  if (!report.summary.groups.empty()) html += "<h2>Requests</h2>\n" + to_html(group_table(report)) + sortable_script();
  return plot::html_page("What was asked, spent and saved", html);
}

}  // namespace saccade
