#include "media/content_crop.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <optional>

#include "media/byte_difference.h"
#include "media/color_histogram.h"

namespace saccade {

namespace {

bool is_close(const uint8_t* pixel, const Color& color, int tolerance) {
  return largest_difference(pixel, color.data(), 3) <= tolerance;
}

/// Calls `visit` with the pixels of the outermost rows and columns.
template <typename Visit>
void for_each_border_pixel(const Image& image, Visit visit) {
  for (int x = 0; x < image.width; ++x) {
    visit(image.pixel(x, 0));
    visit(image.pixel(x, image.height - 1));
  }
  for (int y = 1; y + 1 < image.height; ++y) {
    visit(image.pixel(0, y));
    visit(image.pixel(image.width - 1, y));
  }
}

/// The colour that most of the border has, if at least half of it is close to it.
std::optional<Color> border_color(const Image& image, int tolerance) {
  ColorHistogram histogram;
  for_each_border_pixel(image, [&](const uint8_t* pixel) { histogram.add(pixel); });
  const Color color = histogram.dominant();
  int64_t num_close = 0;
  int64_t num_pixels = 0;
  for_each_border_pixel(image, [&](const uint8_t* pixel) {
    ++num_pixels;
    if (is_close(pixel, color, tolerance)) ++num_close;
  });
  if (2 * num_close < num_pixels) return std::nullopt;
  return color;
}

struct Span {
  int begin = 0;
  int end = 0;
  int size() const { return end - begin; }
};

struct Bounds {
  Span x;
  Span y;
};

/// The box around the pixels that are not close to the colour; none where all are.
std::optional<Bounds> content_bounds(const Image& image, const Color& color, int tolerance) {
  std::vector<uint8_t> margin(static_cast<size_t>(image.width) * 3);
  for (size_t i = 0; i < margin.size(); ++i) margin[i] = color[i % 3];
  const auto is_margin = [&](int y, int begin, int end) {
    const auto offset = static_cast<size_t>(begin) * 3;
    return largest_difference(image.pixel(begin, y), margin.data() + offset, static_cast<size_t>(end - begin) * 3) <=
           tolerance;
  };
  Span rows = {0, image.height};
  while (rows.begin < rows.end && is_margin(rows.begin, 0, image.width)) ++rows.begin;
  if (rows.begin == rows.end) return std::nullopt;
  while (is_margin(rows.end - 1, 0, image.width)) --rows.end;
  // A row can only widen the content, so that just what is left and right of it so far is read. In pieces first.
  constexpr int kPiece = 16;
  Span cols = {image.width, 0};
  for (int y = rows.begin; y < rows.end; ++y) {
    int left = 0;
    while (left + kPiece <= cols.begin && is_margin(y, left, left + kPiece)) left += kPiece;
    while (left < cols.begin && is_margin(y, left, left + 1)) ++left;
    cols.begin = std::min(cols.begin, left);
    int right = image.width;
    while (right - kPiece >= cols.end && is_margin(y, right - kPiece, right)) right -= kPiece;
    while (right > cols.end && is_margin(y, right - 1, right)) --right;
    cols.end = std::max(cols.end, right);
  }
  return Bounds{cols, rows};
}

/// With the margin around it, and at least `min_side` long, within [0, size).
Span widened(Span span, int margin, int min_side, int size) {
  const int missing = std::max(0, min_side - (span.size() + 2 * margin));
  Span wide = {span.begin - margin - missing / 2, span.end + margin + (missing + 1) / 2};
  if (wide.begin < 0) wide = {0, wide.end - wide.begin};
  if (wide.end > size) wide = {wide.begin - (wide.end - size), size};
  return {std::max(wide.begin, 0), wide.end};
}

/// Of the original's pixels, those within the decoded ones of `span`.
Span original_span(Span span, double begin, int reduction, int original) {
  const auto first = static_cast<int>(std::lround((span.begin - begin) * reduction));
  const auto last = static_cast<int>(std::lround((span.end - begin) * reduction));
  return {std::max(first, 0), std::min(last, original)};
}

}  // namespace

ContentCrop find_content(const DecodedImage& decoded, const ContentCropOptions& options) {
  const Image& image = decoded.image;
  const ContentCrop whole = {{0, 0, image.size()}, {0, 0, decoded.original}, false};
  if (image.width == 0 || image.height == 0) return whole;
  const std::optional<Color> color = border_color(image, options.tolerance_levels);
  if (!color) return whole;
  const std::optional<Bounds> content = content_bounds(image, *color, options.tolerance_levels);
  if (!content) return whole;
  const auto in_decoded_pixels = [&](int size) { return (size + decoded.reduction - 1) / decoded.reduction; };
  const double relative_margin = options.margin_share * std::max(content->x.size(), content->y.size());
  const int margin = std::max(in_decoded_pixels(options.min_margin_px), static_cast<int>(std::ceil(relative_margin)));
  const int min_side = in_decoded_pixels(options.min_side_px);
  const Span x = widened(content->x, margin, min_side, image.width);
  const Span y = widened(content->y, margin, min_side, image.height);
  const double kept = static_cast<double>(x.size()) * y.size() / (static_cast<double>(image.width) * image.height);
  if (1 - kept < options.min_cut_share) return whole;
  const Span original_x = original_span(x, decoded.left, decoded.reduction, decoded.original.width);
  const Span original_y = original_span(y, decoded.top, decoded.reduction, decoded.original.height);
  return {{x.begin, y.begin, {x.size(), y.size()}},
          {original_x.begin, original_y.begin, {original_x.size(), original_y.size()}},
          true};
}

DecodedImage cut(const DecodedImage& decoded, const ContentCrop& crop) {
  const Window& window = crop.decoded;
  assert(window.left >= 0 && window.left + window.size.width <= decoded.image.width);
  assert(window.top >= 0 && window.top + window.size.height <= decoded.image.height);
  DecodedImage result{make_image(window.size), crop.original.size, decoded.reduction, 0, 0};
  for (int y = 0; y < window.size.height; ++y) {
    std::memcpy(result.image.pixel(0, y), decoded.image.pixel(window.left, window.top + y),
                static_cast<size_t>(window.size.width) * 3);
  }
  const double reduction = decoded.reduction;
  result.left = decoded.left + crop.original.left / reduction - window.left;
  result.top = decoded.top + crop.original.top / reduction - window.top;
  return result;
}

}  // namespace saccade
