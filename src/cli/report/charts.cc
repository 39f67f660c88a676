#include "cli/report/charts.h"

#include <optional>
#include <string>
#include <utility>

#include "base/format.h"
#include "cli/plot/chart.h"
#include "ledger/utc_time.h"

namespace saccade {
namespace {

using plot::Ink;
using plot::MarkShape;

std::string text_of_day(double day) {
  return day_text(static_cast<int64_t>(day) * kDayUs);
}

plot::Chart chart_of_days(std::string title, std::string subtitle, std::string y_title) {
  plot::Chart chart;
  chart.title = std::move(title);
  chart.subtitle = std::move(subtitle);
  chart.x_title = "day (UTC)";
  chart.y_title = std::move(y_title);
  chart.x_text = text_of_day;
  chart.has_x_zero = false;
  chart.has_y_zero = true;
  return chart;
}

// A series of the days for which `value` has one; `unit` is for the tooltips.
template <typename Value>
void add_series(plot::Chart& chart, const LedgerSummary& by_day, plot::Series series, const char* unit, Value value) {
  series.is_joined = true;
  for (const GroupSummary& day : by_day.groups) {
    const std::optional<double> y = value(day);
    const auto begin_us = parse_day(day.key.front());
    if (!y || !begin_us) continue;
    series.points.push_back({static_cast<double>(day_of(*begin_us)), *y, "",
                             format("%s, %s: %.4g%s", day.key.front().c_str(), series.name.c_str(), *y, unit)});
  }
  if (!series.points.empty()) chart.series.push_back(std::move(series));
}

plot::Series series(const char* name, Ink ink, MarkShape shape, bool is_baseline = false) {
  return {.name = name, .ink = ink, .shape = shape, .is_baseline = is_baseline, .points = {}};
}

std::optional<double> mean_of(const Mean& mean) {
  return mean.count > 0 ? std::optional(mean.value) : std::nullopt;
}

plot::Chart cost_chart(const LedgerSummary& by_day) {
  const GroupSummary& total = by_day.total;
  plot::Chart chart = chart_of_days("Cost",
                                    format("%.4g USD spent; %.4g USD, or %.1f %%, less than the full plan",
                                           total.cost_usd, total.saved_usd, 100 * total.saved_share()),
                                    "USD a day");
  const auto is_priced = [](const GroupSummary& day) { return day.num_priced > 0; };
  add_series(chart, by_day, series("full plan", Ink::kMuted, MarkShape::kCross, true), " USD",
             [&](const auto& day) { return day.full_plan_usd > 0 ? std::optional(day.full_plan_usd) : std::nullopt; });
  add_series(chart, by_day, series("spent", Ink::kBlue, MarkShape::kDisc), " USD",
             [&](const auto& day) { return is_priced(day) ? std::optional(day.cost_usd) : std::nullopt; });
  add_series(chart, by_day, series("saved", Ink::kGreen, MarkShape::kTriangle), " USD",
             [&](const auto& day) { return day.full_plan_usd > 0 ? std::optional(day.saved_usd) : std::nullopt; });
  return chart;
}

plot::Chart deadline_chart(const LedgerSummary& by_day) {
  const GroupSummary& total = by_day.total;
  plot::Chart chart = chart_of_days(
      "Deadlines kept",
      format("%lld of %lld requests with a limit on latency or on the first token",
             static_cast<long long>(total.num_deadlines_met), static_cast<long long>(total.num_deadlines)),
      "share of those asked for");
  chart.is_y_percent = true;
  add_series(chart, by_day, series("kept", Ink::kGreen, MarkShape::kDisc), "", [](const auto& day) {
    return day.num_deadlines > 0
               ? std::optional(static_cast<double>(day.num_deadlines_met) / static_cast<double>(day.num_deadlines))
               : std::nullopt;
  });
  return chart;
}

plot::Chart token_chart(const LedgerSummary& by_day) {
  plot::Chart chart =
      chart_of_days("Prompt tokens", "text and visual, before and after plans made them fewer", "tokens a request");
  const auto mean = [](int64_t tokens, const GroupSummary& day) {
    return std::optional(static_cast<double>(tokens) / static_cast<double>(day.num_requests));
  };
  add_series(chart, by_day, series("before", Ink::kMuted, MarkShape::kCross, true), " tokens",
             [&](const auto& day) { return mean(day.tokens_before, day); });
  add_series(chart, by_day, series("after", Ink::kBlue, MarkShape::kDisc), " tokens",
             [&](const auto& day) { return mean(day.tokens_after, day); });
  return chart;
}

plot::Chart latency_chart(const LedgerSummary& by_day) {
  const std::optional<double>& error = by_day.total.prediction_error;
  plot::Chart chart = chart_of_days(
      "Latency", error ? format("predictions are off by %.1f %%, median", 100 * *error) : "whole answers", "ms");
  add_series(chart, by_day, series("p95", Ink::kOrange, MarkShape::kTriangle), " ms", [](const auto& day) {
    return day.latency_ms.count > 0 ? std::optional(day.latency_p95_ms) : std::nullopt;
  });
  add_series(chart, by_day, series("mean", Ink::kBlue, MarkShape::kDisc), " ms",
             [](const auto& day) { return mean_of(day.latency_ms); });
  add_series(chart, by_day, series("mean, predicted", Ink::kMuted, MarkShape::kCross, true), " ms",
             [](const auto& day) { return mean_of(day.predicted_latency_ms); });
  return chart;
}

plot::Chart quality_chart(const LedgerSummary& by_day) {
  plot::Chart chart = chart_of_days("Quality",
                                    format("feedback of users to %lld answers, of shadow runs to %lld",
                                           static_cast<long long>(by_day.total.user_score.count),
                                           static_cast<long long>(by_day.total.shadow_score.count)),
                                    "mean");
  chart.is_y_percent = true;
  add_series(chart, by_day, series("predicted", Ink::kMuted, MarkShape::kCross, true), "",
             [](const auto& day) { return mean_of(day.predicted_quality); });
  add_series(chart, by_day, series("users", Ink::kBlue, MarkShape::kDisc), "",
             [](const auto& day) { return mean_of(day.user_score); });
  add_series(chart, by_day, series("shadow runs", Ink::kPurple, MarkShape::kDiamond), "",
             [](const auto& day) { return mean_of(day.shadow_score); });
  return chart;
}

}  // namespace

std::vector<plot::Drawing> report_charts(const LedgerSummary& by_day) {
  std::vector<plot::Drawing> drawings;
  for (plot::Chart chart : {cost_chart(by_day), deadline_chart(by_day), token_chart(by_day), latency_chart(by_day),
                            quality_chart(by_day)}) {
    if (chart.series.empty()) continue;
    chart.has_legend = chart.series.size() > 1;
    plot::Drawing drawing = {.width = 960, .height = 340, .title = chart.title, .shapes = {}};
    plot::draw_chart(chart, {0, 0, drawing.width, drawing.height}, drawing);
    drawings.push_back(std::move(drawing));
  }
  return drawings;
}

}  // namespace saccade
