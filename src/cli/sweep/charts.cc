#include "cli/sweep/charts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/format.h"
#include "cli/plot/chart.h"
#include "cli/printable_text.h"

namespace saccade {
namespace {

using plot::Ink;
using plot::MarkShape;

constexpr double kGiga = 1e9;
constexpr double kMega = 1e6;

// Eight colours by eight shapes are 56 looks before one comes again: the shapes move on once the colours are through.
// The full plan and the baselines always look the same.
class Looks {
 public:
  void give(plot::Series& series, const std::string& name) {
    if (name == "full") {
      series.ink = Ink::kText;
      series.shape = MarkShape::kStar;
    } else if (name == "random") {
      series.ink = Ink::kMuted;
      series.shape = MarkShape::kCross;
    } else if (name == "smaller picture") {
      series.ink = Ink::kMuted;
      series.shape = MarkShape::kPlus;
    } else if (name == "downscale") {
      series.ink = Ink::kMuted;
      series.shape = MarkShape::kSquare;
    } else {
      constexpr Ink kInks[] = {Ink::kBlue,   Ink::kOrange, Ink::kGreen, Ink::kRed,
                               Ink::kPurple, Ink::kBrown,  Ink::kPink,  Ink::kTeal};
      constexpr MarkShape kShapes[] = {MarkShape::kDisc, MarkShape::kDiamond, MarkShape::kTriangle, MarkShape::kSquare,
                                       MarkShape::kDownTriangle};
      series.ink = kInks[num_given_ % std::size(kInks)];
      series.shape = kShapes[(num_given_ + num_given_ / std::size(kInks)) % std::size(kShapes)];
      ++num_given_;
    }
  }

 private:
  size_t num_given_ = 0;
};

double cost_of(const SweepRow& row, CostAxis axis) {
  return axis == CostAxis::kFlops ? row.flops.total() / kGiga : row.latency_ms;
}

bool is_on_front(const SweepRow& row, CostAxis axis) {
  return axis == CostAxis::kFlops ? row.is_on_flops_front : row.is_on_ms_front;
}

std::string title_of(const SweepRow& row) {
  return format("%s: quality %.1f %%, %.2f GFLOP, %.1f ms, %.0f visual tokens", one_line(row.plan.name).c_str(),
                100 * row.quality, row.flops.total() / kGiga, row.latency_ms, row.visual_tokens);
}

// Whether points of a series are steps of one lever, to be joined.
bool is_joined(const std::string& series) {
  return series != "full" && series != "combined";
}

std::vector<plot::Series> series_of_rows(const SweepSummary& summary, CostAxis axis) {
  std::vector<plot::Series> all;
  Looks looks;
  constexpr size_t kFew = 12;  // that all can have their names beside them
  const bool has_few = summary.rows.size() <= kFew;
  for (const SweepRow& row : summary.rows) {
    auto series = std::ranges::find(all, row.series, &plot::Series::name);
    if (series == all.end()) {
      all.push_back(
          {.name = row.series, .is_joined = is_joined(row.series), .is_baseline = row.is_baseline, .points = {}});
      series = std::prev(all.end());
      looks.give(*series, row.series);
    }
    const bool is_named = has_few || is_on_front(row, axis) || row.series == "full";
    series->points.push_back({cost_of(row, axis), row.quality, is_named ? one_line(row.plan.name) : "", title_of(row)});
  }
  for (plot::Series& series : all) {
    if (series.is_joined) std::ranges::stable_sort(series.points, {}, &plot::ChartPoint::x);
    if (series.name == "full") series.name = "full plan";
    if (series.name == "random") series.name = "random tokens (baseline)";
    if (series.name == "downscale") series.name = "tokens averaged (baseline)";
    if (series.name == "smaller picture") series.name = "smaller picture (baseline)";
  }
  return all;
}

// In steps: as much quality as the best plan that costs no more.
plot::ChartLine front_line(const SweepSummary& summary, CostAxis axis) {
  std::vector<Sample> samples;
  for (const SweepRow& row : summary.rows) samples.push_back({cost_of(row, axis), row.quality});
  plot::ChartLine front;
  front.name = "nothing is better (front)";
  front.line.width = 5;
  front.line.opacity = 0.18;
  for (const size_t i : pareto_front(samples)) {
    if (!front.line.points.empty()) front.line.points.push_back({samples[i].x, front.line.points.back().y});
    front.line.points.push_back({samples[i].x, samples[i].y});
  }
  return front;
}

plot::Chart stage_chart(const std::string& title, const char* of_what, const char* y_title,
                        const std::optional<LineFit>& fit) {
  plot::Chart chart;
  chart.title = title;
  chart.x_title = of_what;  // behind the unit
  chart.y_title = y_title;
  chart.has_y_zero = true;
  chart.has_legend = false;
  chart.subtitle = fit ? format("%s, R\u00b2 %.3f", line_text(*fit).c_str(), fit->r_squared)
                       : "the plans do not differ enough for a line";
  return chart;
}

void add_fit(plot::Chart& chart, const std::vector<plot::ChartPoint>& points, const std::optional<LineFit>& fit) {
  if (!fit) return;
  double least = std::numeric_limits<double>::max();
  double most = 0;
  for (const plot::ChartPoint& point : points) {
    least = std::min(least, point.x);
    most = std::max(most, point.x);
  }
  plot::ChartLine line;
  line.line.ink = Ink::kRed;
  line.line.width = 1.4;
  line.line.opacity = 0.7;
  for (const double x : {least, most}) line.line.points.push_back({x, std::max(0.0, fit->intercept + fit->slope * x)});
  chart.lines.push_back(std::move(line));
}

template <typename X, typename Y>
void draw_stage(plot::Chart chart, const SweepSummary& summary, std::optional<LineFit> fit, X x, Y y,
                const plot::Box& area, plot::Drawing& drawing) {
  double most = 0;
  for (const SweepRow& row : summary.rows) most = std::max(most, x(row));
  const double unit = most < kGiga ? kMega : kGiga;
  chart.x_title = std::string(most < kGiga ? "MFLOP" : "GFLOP") + chart.x_title;
  if (fit) fit->slope *= unit / kGiga;
  plot::Series series;
  for (const SweepRow& row : summary.rows) {
    const plot::ChartPoint point = {
        x(row) / unit, y(row), "",
        format("%s: %.4g GFLOP, %.3g ms", one_line(row.plan.name).c_str(), x(row) / kGiga, y(row))};
    if (point.y > 0) series.points.push_back(point);
  }
  add_fit(chart, series.points, fit);
  chart.series.push_back(std::move(series));
  plot::draw_chart(chart, area, drawing);
}

}  // namespace

plot::Drawing quality_chart(const SweepSummary& summary, CostAxis axis) {
  const bool is_flops = axis == CostAxis::kFlops;
  plot::Chart chart;
  chart.title = is_flops ? "Quality and FLOPs" : "Quality and milliseconds";
  const int64_t num_items = summary.rows.empty() ? 0 : summary.rows.front().num_items;
  const double error = summary.rows.empty() ? 0 : summary.rows.front().quality_error;
  chart.subtitle =
      format("%lld questions; %s; standard error of the full plan %.1f %%", static_cast<long long>(num_items),
             summary.num_labelled > 0 ? "share of right answers" : "share of the full plan's answers", 100 * error);
  chart.x_title = is_flops ? "GFLOP for a question" : "latency in ms, median";
  chart.y_title = "quality";
  chart.is_y_percent = true;
  chart.series = series_of_rows(summary, axis);
  chart.lines.push_back(front_line(summary, axis));
  plot::Drawing drawing = {.width = 960, .height = 560, .title = chart.title, .shapes = {}};
  plot::draw_chart(chart, {0, 0, drawing.width, drawing.height}, drawing);
  return drawing;
}

plot::Drawing linearity_chart(const SweepSummary& summary) {
  plot::Drawing drawing = {.width = 1140, .height = 400, .title = "Milliseconds and FLOPs of a stage", .shapes = {}};
  const double width = drawing.width / 3;
  const Linearity& fits = summary.linearity;
  draw_stage(
      stage_chart("Encode", "", "ms, mean", fits.encode), summary, fits.encode,
      [](const SweepRow& row) { return row.flops.encode; }, [](const SweepRow& row) { return row.encode_ms; },
      {0, 0, width, drawing.height}, drawing);
  draw_stage(
      stage_chart("Prefill", "", "ms, mean", fits.prefill), summary, fits.prefill,
      [](const SweepRow& row) { return row.flops.prefill; }, [](const SweepRow& row) { return row.prefill_ms; },
      {width, 0, width, drawing.height}, drawing);
  draw_stage(
      stage_chart("Decode", " for a token", "ms for a token, mean", fits.decode), summary, fits.decode,
      [](const SweepRow& row) { return row.decode_flops_per_token; },
      [](const SweepRow& row) { return row.decode_ms_per_token; }, {2 * width, 0, width, drawing.height}, drawing);
  return drawing;
}

}  // namespace saccade
