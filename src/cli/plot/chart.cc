#include "cli/plot/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/format.h"

namespace saccade::plot {
namespace {

constexpr double kTextSize = 11;
constexpr double kLegendRow = 19;
constexpr double kMarkRadius = 4.5;

struct Range {
  double min = std::numeric_limits<double>::max();
  double max = std::numeric_limits<double>::lowest();
  void add(double value) {
    min = std::min(min, value);
    max = std::max(max, value);
  }
  bool is_empty() const { return min > max; }
};

// An axis: its ticks, and where a value comes to lie. Where data reach the last tick, there is some room behind it.
struct Axis {
  Axis(Range range, bool has_zero, int num_ticks, bool is_whole = false) {
    constexpr double kRoom = 0.3;  // of a step
    if (range.is_empty()) range = {0, 1};
    if (has_zero) range.min = std::min(range.min, 0.0);
    ticks = nice_ticks(range.min, range.max, num_ticks, is_whole);
    first = ticks.front();
    last = ticks.back();
    if (range.min < first + kRoom * step() && !(has_zero && first == 0)) first -= kRoom * step();
    if (range.max > last - kRoom * step()) last += kRoom * step();
  }
  void put(double begin, double end) {
    begin_at = begin;
    end_at = end;
  }
  double at(double value) const { return begin_at + (end_at - begin_at) * (value - first) / (last - first); }
  double step() const { return ticks[1] - ticks[0]; }

  std::vector<double> ticks;
  double first;  // values at the ends
  double last;
  double begin_at = 0;
  double end_at = 0;
};

class ChartPainter {
 public:
  ChartPainter(const Chart& chart, const Box& area, Drawing& drawing)
      : chart_(chart),
        area_(area),
        drawing_(drawing),
        x_(range_of(&Point::x), chart.has_x_zero, 7, chart.x_text != nullptr),
        y_(range_of(&Point::y), chart.has_y_zero, 7),
        plot_(plot_box()) {
    x_.put(plot_.left, plot_.right());
    y_.put(plot_.bottom(), plot_.top);
  }

  void draw() {
    draw_titles();
    draw_axes();
    for (const ChartLine& line : chart_.lines) draw_line(line.line);
    for (const Series& series : chart_.series) draw_joints(series);
    for (const Series& series : chart_.series) draw_marks(series);
    draw_labels();
    if (chart_.has_legend) draw_legend();
  }

 private:
  double legend_width() const {
    if (!chart_.has_legend) return 0;
    double width = 0;
    const auto grow = [&](const std::string& name) {
      width = std::max(width, extent_of({.at = {}, .text = name, .size = kTextSize}).width);
    };
    for (const Series& series : chart_.series) grow(series.name);
    for (const ChartLine& line : chart_.lines) grow(line.name);
    return width + 56;
  }

  Box plot_box() const {
    const double top = chart_.subtitle.empty() ? 38 : 58;
    double left = 0;
    for (const double tick : y_.ticks) {
      left = std::max(left, extent_of({.at = {}, .text = y_text(tick), .size = kTextSize}).width);
    }
    left += 36;  // the axis' title, and the space around both
    // The last tick's text is centred on the plot's edge.
    const double overhang =
        x_.ticks.empty() ? 0 : extent_of({.at = {}, .text = x_text(x_.ticks.back()), .size = kTextSize}).width / 2;
    const double right = std::max(24 + legend_width(), overhang + 4);
    return {area_.left + left, area_.top + top, area_.width - left - right, area_.height - top - 52};
  }

  Range range_of(double Point::*side) const {
    Range range;
    for (const Series& series : chart_.series) {
      for (const ChartPoint& point : series.points) range.add(Point{point.x, point.y}.*side);
    }
    return range;
  }

  std::string x_text(double tick) const { return chart_.x_text ? chart_.x_text(tick) : tick_text(tick, x_.step()); }
  std::string y_text(double tick) const {
    return chart_.is_y_percent ? tick_text(100 * tick, 100 * y_.step()) + " %" : tick_text(tick, y_.step());
  }

  Point place(double x, double y) const { return {x_.at(x), y_.at(y)}; }

  template <typename Shape>
  void add(Shape shape) {
    drawing_.shapes.emplace_back(std::move(shape));
  }

  void draw_titles() {
    add(Words{.at = {plot_.left, area_.top + 22}, .text = chart_.title, .size = 15, .is_bold = true});
    if (!chart_.subtitle.empty()) {
      add(Words{.at = {plot_.left, area_.top + 41}, .text = chart_.subtitle, .size = kTextSize, .ink = Ink::kMuted});
    }
    add(Words{.at = {plot_.left + 0.5 * plot_.width, plot_.bottom() + 40},
              .text = chart_.x_title,
              .size = 12,
              .align = Align::kCenter});
    add(Words{.at = {area_.left + 16, plot_.top + 0.5 * plot_.height},
              .text = chart_.y_title,
              .size = 12,
              .align = Align::kCenter,
              .is_upwards = true});
  }

  void draw_axes() {
    for (const double tick : x_.ticks) {
      const double x = x_.at(tick);
      add(Line{.points = {{x, plot_.top}, {x, plot_.bottom()}}, .ink = Ink::kGrid});
      add(Words{.at = {x, plot_.bottom() + 18},
                .text = x_text(tick),
                .size = kTextSize,
                .ink = Ink::kMuted,
                .align = Align::kCenter});
    }
    for (const double tick : y_.ticks) {
      const double y = y_.at(tick);
      add(Line{.points = {{plot_.left, y}, {plot_.right(), y}}, .ink = Ink::kGrid});
      add(Words{.at = {plot_.left - 8, y + 4},
                .text = y_text(tick),
                .size = kTextSize,
                .ink = Ink::kMuted,
                .align = Align::kRight});
    }
    add(Line{.points = {{plot_.left, plot_.top}, {plot_.left, plot_.bottom()}, {plot_.right(), plot_.bottom()}},
             .ink = Ink::kMuted});
  }

  void draw_line(Line line) {
    for (Point& point : line.points) point = place(point.x, point.y);
    add(std::move(line));
  }

  void draw_joints(const Series& series) {
    if (!series.is_joined || series.points.size() < 2) return;
    Line line = {.points = {}, .ink = series.ink, .width = 1.3, .is_dashed = series.is_baseline, .opacity = 0.6};
    for (const ChartPoint& point : series.points) line.points.push_back(place(point.x, point.y));
    add(std::move(line));
  }

  void draw_marks(const Series& series) {
    for (const ChartPoint& point : series.points) {
      const Point center = place(point.x, point.y);
      add(Mark{center, series.shape, kMarkRadius, series.ink, point.title});
      constexpr double kReach = kMarkRadius + 1.5;
      taken_.push_back({center.x - kReach, center.y - kReach, 2 * kReach, 2 * kReach});
    }
  }

  // Beside its point, in the first place that is free.
  void draw_label(const ChartPoint& point) {
    const Point center = place(point.x, point.y);
    struct Place {
      double dx;
      double dy;
      Align align;
    };
    // Beside the point last: lines often leave it there.
    constexpr Place kPlaces[] = {{8, -7, Align::kLeft},     {-8, -7, Align::kRight}, {8, 14, Align::kLeft},
                                 {0, -10, Align::kCenter},  {0, 18, Align::kCenter}, {-8, 14, Align::kRight},
                                 {8, 4, Align::kLeft},      {-8, 4, Align::kRight},  {12, -20, Align::kLeft},
                                 {-12, -20, Align::kRight}, {12, 27, Align::kLeft},  {-12, 27, Align::kRight}};
    for (const Place& tried : kPlaces) {
      const Words words = {
          .at = {center.x + tried.dx, center.y + tried.dy}, .text = point.label, .size = 10, .align = tried.align};
      const Box box = extent_of(words);
      const auto hits = [&](const Box& other) { return box.overlaps(other); };
      if (!plot_.contains(box) || std::ranges::any_of(taken_, hits)) continue;
      taken_.push_back(box);
      add(words);
      return;
    }
  }

  void draw_labels() {
    for (const Series& series : chart_.series) {
      for (const ChartPoint& point : series.points) {
        if (!point.label.empty()) draw_label(point);
      }
    }
  }

  void draw_legend() {
    double y = plot_.top + 8;
    const double left = plot_.right() + 22;
    const auto name = [&](const std::string& text) {
      add(Words{.at = {left + 30, y + 4}, .text = text, .size = kTextSize});
      y += kLegendRow;
    };
    for (const Series& series : chart_.series) {
      if (series.is_joined) {
        add(Line{.points = {{left, y}, {left + 22, y}},
                 .ink = series.ink,
                 .width = 1.3,
                 .is_dashed = series.is_baseline,
                 .opacity = 0.6});
      }
      add(Mark{{left + 11, y}, series.shape, kMarkRadius, series.ink, ""});
      name(series.name);
    }
    for (const ChartLine& line : chart_.lines) {
      if (line.name.empty()) continue;
      Line sample = line.line;
      sample.points = {{left, y}, {left + 22, y}};
      add(std::move(sample));
      name(line.name);
    }
  }

  const Chart& chart_;
  const Box area_;
  Drawing& drawing_;
  Axis x_;
  Axis y_;
  const Box plot_;
  std::vector<Box> taken_;  // by marks and labels
};

}  // namespace

std::vector<double> nice_ticks(double min, double max, int num_wanted, bool is_whole) {
  if (!(max > min)) {
    const double room = min == 0 || is_whole ? 1 : 0.1 * std::abs(min);
    min -= room;
    max += room;
  }
  const double rough = std::max((max - min) / std::max(1, num_wanted - 1), is_whole ? 1.0 : 0.0);
  const double magnitude = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * magnitude;
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    const double tried = factor * magnitude;
    if (tried < rough * (1 - 1e-9) || (is_whole && tried != std::round(tried))) continue;
    step = tried;
    break;
  }
  const double first = std::floor(min / step + 1e-9);
  const double last = std::ceil(max / step - 1e-9);
  std::vector<double> ticks;
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::string tick_text(double value, double step) {
  int decimals = 0;
  for (double rest = step; decimals < 9 && std::abs(rest - std::round(rest)) > 1e-6 * rest; ++decimals) rest *= 10;
  const double rounded = std::abs(value) < 1e-9 * step ? 0 : value;
  return format("%.*f", decimals, rounded);
}

void draw_chart(const Chart& chart, const Box& area, Drawing& drawing) {
  ChartPainter(chart, area, drawing).draw();
}

}  // namespace saccade::plot
