#include "cli/plot/drawing.h"

#include <cmath>
#include <numbers>

#include "cli/plot/cairo_paint.h"

namespace saccade::plot {
namespace {

struct InkFacts {
  const char* name;
  Rgb light;
  Rgb dark;
};

// Eight hues that are told apart by eyes of all kinds, after Okabe and Ito; lighter on dark paper.
constexpr std::array<InkFacts, kNumInks> kInks = {{
    {"paper", {255, 255, 255}, {24, 26, 31}},
    {"text", {28, 30, 36}, {230, 232, 238}},
    {"muted", {98, 104, 116}, {160, 166, 178}},
    {"grid", {226, 229, 235}, {52, 56, 66}},
    {"blue", {0, 104, 178}, {86, 170, 240}},
    {"orange", {222, 142, 0}, {240, 174, 64}},
    {"green", {0, 146, 106}, {64, 200, 150}},
    {"red", {208, 74, 0}, {244, 120, 72}},
    {"purple", {124, 77, 176}, {180, 142, 236}},
    {"brown", {140, 94, 58}, {204, 160, 122}},
    {"pink", {200, 92, 148}, {238, 144, 192}},
    {"teal", {40, 150, 190}, {104, 206, 234}},
}};

const InkFacts& facts_of(Ink ink) {
  return kInks[static_cast<size_t>(ink)];
}

// Corners on a circle, the first one on top.
std::vector<Point> polygon(const Mark& mark, int num_corners, double radius, double turn = 0) {
  std::vector<Point> points;
  for (int i = 0; i < num_corners; ++i) {
    const double angle = turn + 2 * std::numbers::pi * i / num_corners;
    points.push_back({mark.center.x + radius * std::sin(angle), mark.center.y - radius * std::cos(angle)});
  }
  return points;
}

std::vector<Point> star(const Mark& mark) {
  const std::vector<Point> outer = polygon(mark, 5, 1.35 * mark.radius);
  const std::vector<Point> inner = polygon(mark, 5, 0.55 * mark.radius, std::numbers::pi / 5);
  std::vector<Point> points;
  for (size_t i = 0; i < outer.size(); ++i) {
    points.push_back(outer[i]);
    points.push_back(inner[i]);
  }
  return points;
}

Outline cross(const Mark& mark, double turn) {
  const std::vector<Point> ends = polygon(mark, 4, 1.15 * mark.radius, turn);
  return {{{ends[0], ends[2]}, {ends[1], ends[3]}}, /*is_filled=*/false};
}

}  // namespace

Rgb light_color(Ink ink) {
  return facts_of(ink).light;
}

Rgb dark_color(Ink ink) {
  return facts_of(ink).dark;
}

const char* ink_name(Ink ink) {
  return facts_of(ink).name;
}

Outline outline_of(const Mark& mark) {
  constexpr double kEighth = std::numbers::pi / 4;
  switch (mark.shape) {
    case MarkShape::kSquare:
      return {{polygon(mark, 4, 1.25 * mark.radius, kEighth)}};
    case MarkShape::kDiamond:
      return {{polygon(mark, 4, 1.25 * mark.radius)}};
    case MarkShape::kTriangle:
      return {{polygon(mark, 3, 1.3 * mark.radius)}};
    case MarkShape::kDownTriangle:
      return {{polygon(mark, 3, 1.3 * mark.radius, std::numbers::pi)}};
    case MarkShape::kCross:
      return cross(mark, kEighth);
    case MarkShape::kPlus:
      return cross(mark, 0);
    case MarkShape::kStar:
      return {{star(mark)}};
    case MarkShape::kDisc:
      break;
  }
  return {};
}

Box extent_of(const Words& words) {
  constexpr double kRise = 0.78;  // of a tall letter over the baseline, of the size
  constexpr double kDepth = 0.24;
  const double width = text_width(words.text, words.size, words.is_bold);
  const double shift = words.align == Align::kLeft ? 0 : words.align == Align::kCenter ? 0.5 * width : width;
  if (words.is_upwards) {
    return {words.at.x - kRise * words.size, words.at.y - width + shift, (kRise + kDepth) * words.size, width};
  }
  return {words.at.x - shift, words.at.y - kRise * words.size, width, (kRise + kDepth) * words.size};
}

}  // namespace saccade::plot
