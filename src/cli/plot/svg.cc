#include "cli/plot/svg.h"

#include "base/format.h"

namespace saccade::plot {
namespace {

std::string color_of(Ink ink) {
  return format("var(--%s)", ink_name(ink));
}

std::string path_of(const std::vector<Point>& points, bool is_closed) {
  std::string path;
  for (const Point& point : points) path += format("%s%.2f %.2f", path.empty() ? "M" : "L", point.x, point.y);
  return path + (is_closed ? "Z" : "");
}

std::string to_element(const Line& line) {
  return format(
      "<path d=\"%s\" fill=\"none\" style=\"stroke:%s\" stroke-width=\"%g\" stroke-linejoin=\"round\"%s%s/>\n",
      path_of(line.points, false).c_str(), color_of(line.ink).c_str(), line.width,
      line.is_dashed ? " stroke-dasharray=\"5 4\"" : "",
      line.opacity < 1 ? format(" opacity=\"%g\"", line.opacity).c_str() : "");
}

std::string to_element(const Mark& mark) {
  const std::string title = mark.title.empty() ? "" : "<title>" + escape_html(mark.title) + "</title>";
  const std::string filled = format("style=\"fill:%s;stroke:%s\" stroke-width=\"0.8\"", color_of(mark.ink).c_str(),
                                    color_of(Ink::kPaper).c_str());
  if (mark.shape == MarkShape::kDisc) {
    return format("<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%g\" %s>%s</circle>\n", mark.center.x, mark.center.y,
                  mark.radius, filled.c_str(), title.c_str());
  }
  const Outline outline = outline_of(mark);
  std::string path;
  for (const std::vector<Point>& stroke : outline.strokes) path += path_of(stroke, outline.is_filled);
  const std::string style =
      outline.is_filled ? filled
                        : format("fill=\"none\" style=\"stroke:%s\" stroke-width=\"2\"", color_of(mark.ink).c_str());
  return format("<path d=\"%s\" %s>%s</path>\n", path.c_str(), style.c_str(), title.c_str());
}

std::string to_element(const Words& words) {
  const char* anchor = words.align == Align::kLeft ? "start" : words.align == Align::kCenter ? "middle" : "end";
  const std::string turn =
      words.is_upwards ? format(" transform=\"rotate(-90 %.2f %.2f)\"", words.at.x, words.at.y) : "";
  return format("<text x=\"%.2f\" y=\"%.2f\" font-size=\"%g\" text-anchor=\"%s\" style=\"fill:%s\"%s%s>%s</text>\n",
                words.at.x, words.at.y, words.size, anchor, color_of(words.ink).c_str(),
                words.is_bold ? " font-weight=\"bold\"" : "", turn.c_str(), escape_html(words.text).c_str());
}

std::string variables(Rgb (*color)(Ink)) {
  std::string text;
  for (int i = 0; i < kNumInks; ++i) {
    const auto ink = static_cast<Ink>(i);
    const Rgb rgb = color(ink);
    text += format("--%s:#%02x%02x%02x;", ink_name(ink), rgb.red, rgb.green, rgb.blue);
  }
  return text;
}

}  // namespace

std::string to_svg(const Drawing& drawing) {
  std::string text = format(
      "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\" font-family=\"'DejaVu Sans',Verdana,sans-serif\">\n",
      drawing.width, drawing.height, escape_html(drawing.title).c_str());
  for (const auto& shape : drawing.shapes) {
    text += std::visit([](const auto& any) { return to_element(any); }, shape);
  }
  return text + "</svg>\n";
}

std::string ink_style() {
  return ":root{color-scheme:light dark;" + variables(light_color) + "}\n@media (prefers-color-scheme: dark){:root{" +
         variables(dark_color) + "}}\n";
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  return escaped;
}

}  // namespace saccade::plot
