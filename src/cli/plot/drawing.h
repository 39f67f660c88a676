// A picture made of lines, marks and words, by value: drawn once, then written as PNG (plot/cairo_paint.h) or as SVG
// (plot/svg.h). Lengths are in points of the picture, y grows downwards.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace saccade::plot {

/// Colours by their part, so that a dark page can choose its own.
enum class Ink : uint8_t { kPaper, kText, kMuted, kGrid, kBlue, kOrange, kGreen, kRed, kPurple, kBrown, kPink, kTeal };
constexpr int kNumInks = 12;

struct Rgb {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;
};
Rgb light_color(Ink ink);
Rgb dark_color(Ink ink);
/// "blue", as CSS variables are called.
const char* ink_name(Ink ink);

struct Point {
  double x = 0;
  double y = 0;
};

struct Box {
  double left = 0;
  double top = 0;
  double width = 0;
  double height = 0;
  double right() const { return left + width; }
  double bottom() const { return top + height; }
  bool overlaps(const Box& other) const {
    return left < other.right() && other.left < right() && top < other.bottom() && other.top < bottom();
  }
  bool contains(const Box& other) const {
    return left <= other.left && top <= other.top && right() >= other.right() && bottom() >= other.bottom();
  }
};

struct Line {
  std::vector<Point> points;
  Ink ink = Ink::kText;
  double width = 1;
  bool is_dashed = false;
  double opacity = 1;
};

enum class MarkShape : uint8_t { kDisc, kSquare, kDiamond, kTriangle, kDownTriangle, kCross, kPlus, kStar };
constexpr int kNumMarkShapes = 8;

struct Mark {
  Point center;
  MarkShape shape = MarkShape::kDisc;
  double radius = 4.5;
  Ink ink = Ink::kText;
  std::string title;  // shown by a browser where the pointer is over it
};

/// The outline of a mark; whether it is closed and filled (a cross is not) is told with it.
struct Outline {
  std::vector<std::vector<Point>> strokes;
  bool is_filled = true;
};
/// Not for kDisc.
Outline outline_of(const Mark& mark);

enum class Align : uint8_t { kLeft, kCenter, kRight };

struct Words {
  Point at;  // the baseline's end that `align` names
  std::string text;
  double size = 12;
  Ink ink = Ink::kText;
  Align align = Align::kLeft;
  bool is_bold = false;
  bool is_upwards = false;  // turned by a quarter, to be read from below
};

/// Where the words are, from the top of tall letters to the bottom of deep ones.
Box extent_of(const Words& words);

/// What is drawn later covers what was drawn before.
struct Drawing {
  double width = 0;
  double height = 0;
  std::string title;  // what it shows, for those who can't see it
  std::vector<std::variant<Line, Mark, Words>> shapes;
};

}  // namespace saccade::plot
