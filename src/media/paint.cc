#include "media/paint.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace saccade {

namespace {

using Rgb = std::array<double, 3>;

constexpr Rgb kOutline = {0, 190, 90};
constexpr double kOutlineShare = 0.55;
constexpr double kDarkened = 0.3;     // of a dropped cell's brightness that is left
constexpr double kTint = 0.5;         // share of a group's colour
constexpr double kHottest = 0.6;      // share of the colour where the redundancy is 1
constexpr int kPixelsPerLine = 1200;  // of the picture's longest side, for each pixel that a line is wide

/// A box in whole pixels of a picture.
struct Area {
  int left, top, right, bottom;
};

Area area_of(const Box& box, ImageSize size) {
  const auto edge = [](double position, int side) {
    return static_cast<int>(std::lround(std::clamp(position, 0.0, static_cast<double>(side))));
  };
  return {edge(box.left, size.width), edge(box.top, size.height), edge(box.left + box.width, size.width),
          edge(box.top + box.height, size.height)};
}

int line_width(ImageSize size) {
  return std::max(1, std::max(size.width, size.height) / kPixelsPerLine);
}

uint8_t to_level(double value) {
  return static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
}

void mix(uint8_t* pixel, const Rgb& color, double share) {
  for (size_t c = 0; c < 3; ++c) pixel[c] = to_level(pixel[c] * (1 - share) + color[c] * share);
}

/// Colours far from each other for numbers close to each other: steps of the golden ratio around the circle of hues.
Rgb group_color(int32_t group) {
  constexpr double kGolden = 0.6180339887498949;
  const double hue = std::fmod(static_cast<double>(static_cast<uint32_t>(group)) * kGolden, 1.0) * 6;
  Rgb color;
  for (size_t c = 0; c < 3; ++c) {
    const double distance =
        std::abs(std::fmod(hue + 6 - 2 * static_cast<double>(c), 6.0) - 3);  // 3: this channel's hue
    color[c] = 255 * std::clamp(distance - 1, 0.0, 1.0);
  }
  return color;
}

/// From yellow to red.
Rgb heat_color(double redundancy) {
  return {255, 220 * (1 - redundancy), 0};
}

double grey_of(const uint8_t* pixel) {
  return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
}

template <typename Paint>
void for_each_pixel(const Image& picture, const Area& area, Image& painted, Paint paint) {
  for (int y = area.top; y < area.bottom; ++y) {
    for (int x = area.left; x < area.right; ++x) {
      std::copy_n(picture.pixel(x, y), 3, painted.pixel(x, y));  // cells that overlap start anew
      paint(x, y, painted.pixel(x, y));
    }
  }
}

bool is_outline(const Area& area, int x, int y, int width) {
  return x < area.left + width || y < area.top + width || x >= area.right || y >= area.bottom;
}

}  // namespace

Image paint_cells(const Image& picture, std::span<const PaintedCell> cells) {
  Image painted = picture;
  const int line = line_width(picture.size());
  for (const PaintedCell& cell : cells) {
    const Area area = area_of(cell.box, picture.size());
    const Rgb tint = group_color(cell.group);
    for_each_pixel(picture, area, painted, [&](int x, int y, uint8_t* pixel) {
      switch (cell.state) {
        case CellState::kKept:
          if (is_outline(area, x, y, line)) mix(pixel, kOutline, kOutlineShare);
          return;
        case CellState::kMerged:
          return mix(pixel, tint, kTint);
        case CellState::kDropped:
          return mix(pixel, {}, 1 - kDarkened);
      }
    });
  }
  return painted;
}

std::vector<Box> cells_in_picture(ImageSize original, const PixelSpec& spec, const PixelLayout& layout,
                                  ImageSize cell) {
  std::vector<Box> boxes;
  for (int tile = 0; tile < layout.num_tiles; ++tile) {
    for (int y = 0; y + cell.height <= layout.tile.height; y += cell.height) {
      for (int x = 0; x + cell.width <= layout.tile.width; x += cell.width) {
        boxes.push_back(cell_in_picture(original, spec, layout, tile, {x, y, cell}));
      }
    }
  }
  return boxes;
}

CellRange cells_of_global_view(const PixelSpec& spec, const PixelLayout& layout, ImageSize cell) {
  if (!layout.has_global_view) return {};
  const int per_tile = (layout.tile.width / cell.width) * (layout.tile.height / cell.height);
  const bool is_first = std::holds_alternative<AnyResolutionSpec>(spec);
  const int tile = is_first ? 0 : layout.num_tiles - 1;
  return {tile * per_tile, (tile + 1) * per_tile};
}

Image paint_heat(const Image& picture, std::span<const CellHeat> cells) {
  Image painted = picture;
  const int line = line_width(picture.size());
  const int hatching = 8 * line;  // pixels between lines
  for (const CellHeat& cell : cells) {
    const double redundancy = std::clamp(cell.redundancy, 0.0, 1.0);
    const Rgb color = heat_color(redundancy);
    for_each_pixel(picture, area_of(cell.box, picture.size()), painted, [&](int x, int y, uint8_t* pixel) {
      if (cell.is_predicted) {
        const double grey = 0.35 * grey_of(pixel) + 0.65 * 128;
        mix(pixel, {grey, grey, grey}, 1);
      } else {
        mix(pixel, color, kHottest * redundancy);
      }
      const bool is_line = (x + y) % hatching < line;
      if (is_line && (cell.is_predicted || cell.is_nearly_predicted)) mix(pixel, {70, 70, 70}, 0.8);
    });
  }
  return painted;
}

}  // namespace saccade
