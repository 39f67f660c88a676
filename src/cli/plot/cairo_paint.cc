#include "cli/plot/cairo_paint.h"

#include <cairo.h>

#include <cmath>
#include <memory>
#include <numbers>

namespace saccade::plot {
namespace {

constexpr const char* kFont = "DejaVu Sans";

struct Destroy {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};
using Surface = std::unique_ptr<cairo_surface_t, Destroy>;
using Context = std::unique_ptr<cairo_t, Destroy>;

void select_font(cairo_t* context, double size, bool is_bold) {
  cairo_select_font_face(context, kFont, CAIRO_FONT_SLANT_NORMAL,
                         is_bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(context, size);
}

double advance_of(cairo_t* context, const std::string& text) {
  cairo_text_extents_t extents;
  cairo_text_extents(context, text.c_str(), &extents);
  return extents.x_advance;
}

void use_ink(cairo_t* context, Ink ink, double opacity = 1) {
  const Rgb color = light_color(ink);
  cairo_set_source_rgba(context, color.red / 255.0, color.green / 255.0, color.blue / 255.0, opacity);
}

void trace(cairo_t* context, const std::vector<Point>& points) {
  for (size_t i = 0; i < points.size(); ++i) {
    i == 0 ? cairo_move_to(context, points[i].x, points[i].y) : cairo_line_to(context, points[i].x, points[i].y);
  }
}

void paint(cairo_t* context, const Line& line) {
  constexpr double kDashes[] = {5, 4};
  use_ink(context, line.ink, line.opacity);
  cairo_set_line_width(context, line.width);
  cairo_set_dash(context, kDashes, line.is_dashed ? 2 : 0, 0);
  cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND);
  trace(context, line.points);
  cairo_stroke(context);
  cairo_set_dash(context, kDashes, 0, 0);
}

// Filled marks have a rim of paper, so that they stay apart where they lie on one another.
void paint(cairo_t* context, const Mark& mark) {
  Outline outline;
  if (mark.shape == MarkShape::kDisc) {
    cairo_new_sub_path(context);
    cairo_arc(context, mark.center.x, mark.center.y, mark.radius, 0, 2 * std::numbers::pi);
  } else {
    outline = outline_of(mark);
    for (const std::vector<Point>& stroke : outline.strokes) {
      trace(context, stroke);
      if (outline.is_filled) cairo_close_path(context);
    }
  }
  if (outline.is_filled) {
    use_ink(context, mark.ink);
    cairo_fill_preserve(context);
    use_ink(context, Ink::kPaper);
    cairo_set_line_width(context, 0.8);
  } else {
    use_ink(context, mark.ink);
    cairo_set_line_width(context, 2);
  }
  cairo_stroke(context);
}

void paint(cairo_t* context, const Words& words) {
  select_font(context, words.size, words.is_bold);
  use_ink(context, words.ink);
  const double width = advance_of(context, words.text);
  const double shift = words.align == Align::kLeft ? 0 : words.align == Align::kCenter ? 0.5 * width : width;
  cairo_save(context);
  cairo_translate(context, words.at.x, words.at.y);
  if (words.is_upwards) cairo_rotate(context, -0.5 * std::numbers::pi);
  cairo_move_to(context, -shift, 0);
  cairo_show_text(context, words.text.c_str());
  cairo_restore(context);
}

}  // namespace

double text_width(std::string_view text, double size, bool is_bold) {
  const Surface surface(cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1));
  const Context context(cairo_create(surface.get()));
  // Measured large, for a width that does not depend on hinting at the size asked for.
  constexpr double kMeasuredSize = 100;
  select_font(context.get(), kMeasuredSize, is_bold);
  return advance_of(context.get(), std::string(text)) * size / kMeasuredSize;
}

Status write_png(const Drawing& drawing, const std::string& path, double scale) {
  const auto pixels = [&](double length) { return static_cast<int>(std::ceil(length * scale)); };
  const Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, pixels(drawing.width), pixels(drawing.height)));
  const Context context(cairo_create(surface.get()));
  cairo_scale(context.get(), scale, scale);
  use_ink(context.get(), Ink::kPaper);
  cairo_paint(context.get());
  for (const auto& shape : drawing.shapes) {
    std::visit([&](const auto& any) { paint(context.get(), any); }, shape);
  }
  cairo_status_t status = cairo_status(context.get());
  if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_write_to_png(surface.get(), path.c_str());
  if (status == CAIRO_STATUS_SUCCESS) return {};
  return io_error(path + ": cannot write the picture: " + cairo_status_to_string(status));
}

}  // namespace saccade::plot
