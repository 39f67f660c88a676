// A chart of points over two axes: series with marks, a legend, lines, and labels that keep out of each other's way.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/plot/drawing.h"

namespace saccade::plot {

/// Values at which an axis has its ticks: round numbers, evenly apart, the first at or below `min`, the last at or
/// above `max`. `is_whole`: whole numbers only.
std::vector<double> nice_ticks(double min, double max, int num_wanted, bool is_whole = false);

/// A tick's number with the decimals that tell it from its neighbours, `step` apart.
std::string tick_text(double value, double step);

struct ChartPoint {
  double x = 0;
  double y = 0;
  std::string label;  // beside the mark, where there is room; empty: none
  std::string title;  // tooltip
};

struct Series {
  std::string name;
  Ink ink = Ink::kBlue;
  MarkShape shape = MarkShape::kDisc;
  bool is_joined = false;    // by a thin line, in the points' order
  bool is_baseline = false;  // the line is dashed
  std::vector<ChartPoint> points;
};

struct ChartLine {
  std::string name;  // in the legend; empty: not there
  Line line;         // points in the axes' units
};

struct Chart {
  std::string title;
  std::string subtitle;
  std::string x_title;
  std::string y_title;
  std::function<std::string(double)> x_text;  // of whole numbers that stand for something else: days, say
  bool is_y_percent = false;
  bool has_x_zero = true;  // the axis begins at 0
  bool has_y_zero = false;
  std::vector<Series> series;
  std::vector<ChartLine> lines;
  bool has_legend = true;
};

/// Draws into a part of the drawing: titles above, axes, data, the legend to the right.
void draw_chart(const Chart& chart, const Box& area, Drawing& drawing);

}  // namespace saccade::plot
