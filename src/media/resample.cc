#include "media/resample.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

namespace saccade {

namespace {

// Pillow, src/libImaging/Resample.c: 8 bits of result and 2 of headroom for filters that overshoot.
constexpr int kPrecisionBits = 32 - 8 - 2;
constexpr int32_t kOne = 1 << kPrecisionBits;
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

double bilinear(double x) {
  return std::max(0.0, 1.0 - std::abs(x));
}

double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

using Color = std::array<uint8_t, 3>;

struct Filter {
  double (*weight)(double);
  double support;  // the weight is 0 further out than this
};

Filter filter_of(ResizeFilter filter) {
  switch (filter) {
    case ResizeFilter::kBilinear:
      return {bilinear, 1.0};
    case ResizeFilter::kBicubic:
      return {bicubic, 2.0};
    case ResizeFilter::kLanczos:
      break;
  }
  return {lanczos, 3.0};
}

/// What one output position is made of, in fixed point.
struct Taps {
  int first = 0;  // of the image's positions, after the padding
  int count = 0;
  size_t weights = 0;          // where its `count` weights start
  int32_t padding_weight = 0;  // sum of the weights that fall on the padding
  int32_t total_weight = 0;    // sum of all its weights
};

/// The taps of all output positions of one pass.
struct Pass {
  std::vector<Taps> taps;
  std::vector<int32_t> weights;
};

/// One dimension of the job: `image` positions start at `image_begin` on a canvas of `canvas` positions, `box` of which
/// from `box_begin` on become `output` positions, of which `count` from `begin` on are wanted.
struct Axis {
  int image_begin;
  int image;
  int canvas;
  double box_begin;
  double box;
  int output;
  int begin;
  int count;
};

int32_t to_fixed_point(double weight) {
  return static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * static_cast<double>(kOne));
}

/// Appends the taps for canvas positions from `first` on, split into those on the image and those on the padding.
void append_taps(const Axis& axis, int first, const std::vector<int32_t>& weights, Pass& pass) {
  const int last = first + static_cast<int>(weights.size());
  const int inner_first = std::clamp(axis.image_begin, first, last);
  const int inner_last = std::clamp(axis.image_begin + axis.image, inner_first, last);
  Taps taps{inner_first - axis.image_begin, inner_last - inner_first, pass.weights.size()};
  for (int i = first; i < last; ++i) {
    const int32_t weight = weights[static_cast<size_t>(i - first)];
    taps.total_weight += weight;
    if (i < inner_first || i >= inner_last) {
      taps.padding_weight += weight;
    } else {
      pass.weights.push_back(weight);
    }
  }
  pass.taps.push_back(taps);
}

Pass make_pass(const Axis& axis, const Filter& filter) {
  Pass pass;
  const double scale = axis.box / axis.output;
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter.support * filter_scale;
  const double inverse_scale = 1.0 / filter_scale;
  std::vector<double> exact;
  std::vector<int32_t> fixed;
  for (int i = axis.begin; i < axis.begin + axis.count; ++i) {
    if (axis.box == axis.output &&
        axis.box_begin == 0) {  // Pillow leaves the pass out; one tap of weight 1 gives the same
      append_taps(axis, i, {kOne}, pass);
      continue;
    }
    const double center = axis.box_begin + (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int last = std::min(axis.canvas, static_cast<int>(center + support + 0.5));
    exact.clear();
    double sum = 0;
    for (int x = 0; x < last - first; ++x) {
      exact.push_back(filter.weight((x + first - center + 0.5) * inverse_scale));
      sum += exact.back();
    }
    fixed.clear();
    for (const double weight : exact) fixed.push_back(to_fixed_point(sum != 0.0 ? weight / sum : weight));
    append_taps(axis, first, fixed, pass);
  }
  return pass;
}

uint8_t to_8_bits(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

/// One row across. `row` is the picture's [image width, 3] values, `padding` the colour left and right of it; `out` is
/// [taps, 3].
void filter_row(const Pass& pass, const uint8_t* row, const Color& padding, uint8_t* out) {
  for (const Taps& taps : pass.taps) {
    int32_t r = kHalf + padding[0] * taps.padding_weight;
    int32_t g = kHalf + padding[1] * taps.padding_weight;
    int32_t b = kHalf + padding[2] * taps.padding_weight;
    const int32_t* weights = pass.weights.data() + taps.weights;
    const uint8_t* in = row + static_cast<ptrdiff_t>(taps.first) * 3;
    for (int i = 0; i < taps.count; ++i, in += 3) {
      r += in[0] * weights[i];
      g += in[1] * weights[i];
      b += in[2] * weights[i];
    }
    out[0] = to_8_bits(r);
    out[1] = to_8_bits(g);
    out[2] = to_8_bits(b);
    out += 3;
  }
}

/// One row of the result of the pass down. `rows` are the image's, from taps.first on; `padding_row` is the row that
/// stands above and below them, of the same length.
void filter_column(const Taps& taps, const int32_t* weights, const uint8_t* rows,
                   const std::vector<uint8_t>& padding_row, std::vector<int32_t>& sums, uint8_t* out) {
  const size_t row_bytes = padding_row.size();
  for (size_t x = 0; x < row_bytes; ++x) sums[x] = kHalf + padding_row[x] * taps.padding_weight;
  for (int i = 0; i < taps.count; ++i, rows += row_bytes) {
    const int32_t weight = weights[i];
    for (size_t x = 0; x < row_bytes; ++x) sums[x] += rows[x] * weight;
  }
  for (size_t x = 0; x < row_bytes; ++x) out[x] = to_8_bits(sums[x]);
}

/// What a pass makes of padding from end to end.
Color filter_padding(const Taps& taps, const Color& color) {
  Color out;
  for (size_t c = 0; c < 3; ++c) out[c] = to_8_bits(kHalf + color[c] * taps.total_weight);
  return out;
}

void append_color(const Color& color, std::vector<uint8_t>& row) {
  row.insert(row.end(), color.begin(), color.end());
}

void resample_across_first(const PaddedImage& source, const Pass& across, const Pass& down, Image& result) {
  int first_row = source.image.height;  // of the rows that the pass down will need
  int last_row = 0;
  for (const Taps& taps : down.taps) {
    if (taps.count == 0) continue;
    first_row = std::min(first_row, taps.first);
    last_row = std::max(last_row, taps.first + taps.count);
  }
  std::vector<uint8_t> padding_row;
  for (const Taps& taps : across.taps) append_color(filter_padding(taps, source.color), padding_row);
  const size_t row_bytes = padding_row.size();
  std::vector<uint8_t> rows(row_bytes * static_cast<size_t>(std::max(0, last_row - first_row)));
  for (int y = first_row; y < last_row; ++y) {
    filter_row(across, source.image.pixel(0, y), source.color,
               rows.data() + static_cast<size_t>(y - first_row) * row_bytes);
  }
  std::vector<int32_t> sums(row_bytes);
  uint8_t* out = result.rgb.data();
  for (const Taps& taps : down.taps) {
    const size_t row_idx = taps.count == 0 ? 0 : static_cast<size_t>(taps.first - first_row);
    filter_column(taps, down.weights.data() + taps.weights, rows.data() + row_idx * row_bytes, padding_row, sums, out);
    out += row_bytes;
  }
}

void resample_down_first(const PaddedImage& source, const Pass& across, const Pass& down, Image& result) {
  std::vector<uint8_t> padding_row;
  for (int x = 0; x < source.image.width; ++x) append_color(source.color, padding_row);
  std::vector<int32_t> sums(padding_row.size());
  std::vector<uint8_t> row(padding_row.size());
  for (int y = 0; y < result.height; ++y) {
    const Taps& taps = down.taps[static_cast<size_t>(y)];
    const uint8_t* rows = taps.count == 0 ? nullptr : source.image.pixel(0, taps.first);
    filter_column(taps, down.weights.data() + taps.weights, rows, padding_row, sums, row.data());
    filter_row(across, row.data(), filter_padding(taps, source.color), result.pixel(0, y));
  }
}

/// The passes don't commute, for the values between them are rounded to 8 bits. Pillow up to 12 always goes across
/// first; since 13.0, which is followed here, down first where that takes away over twice as many rows as columns.
bool is_down_first(const Box& from, ImageSize to) {
  const double fewer_rows = from.height - to.height;
  const double fewer_columns = from.width - to.width;
  return fewer_rows > 0 && fewer_rows > 2 * fewer_columns;
}

}  // namespace

Image resample(const PaddedImage& source, const Box& box, ImageSize output, const Window& window, ResizeFilter filter) {
  const Image& image = source.image;
  const ImageSize canvas = source.canvas;
  assert(source.left >= 0 && source.left + image.width <= canvas.width);
  assert(source.top >= 0 && source.top + image.height <= canvas.height);
  assert(window.left >= 0 && window.left + window.size.width <= output.width);
  assert(window.top >= 0 && window.top + window.size.height <= output.height);
  const Filter kernel = filter_of(filter);
  const Pass across = make_pass(
      {source.left, image.width, canvas.width, box.left, box.width, output.width, window.left, window.size.width},
      kernel);
  const Pass down = make_pass(
      {source.top, image.height, canvas.height, box.top, box.height, output.height, window.top, window.size.height},
      kernel);
  Image result = make_image(window.size);
  if (is_down_first(box, output)) {
    resample_down_first(source, across, down, result);
  } else {
    resample_across_first(source, across, down, result);
  }
  return result;
}

Image resample(const PaddedImage& source, ImageSize output, const Window& window, ResizeFilter filter) {
  return resample(source, {0, 0, static_cast<double>(source.canvas.width), static_cast<double>(source.canvas.height)},
                  output, window, filter);
}

Box original_box(const DecodedImage& decoded) {
  const double reduction = decoded.reduction;
  return {decoded.left, decoded.top, decoded.original.width / reduction, decoded.original.height / reduction};
}

Image resize(const DecodedImage& decoded, ImageSize output, ResizeFilter filter) {
  const Image& image = decoded.image;
  if (decoded.reduction == 1) return resize(image, output.width, output.height, filter);
  return resample({image, image.size()}, original_box(decoded), output, {0, 0, output}, filter);
}

Image resize(const Image& image, int width, int height, ResizeFilter filter) {
  if (image.size() == ImageSize{width, height}) return image;
  return resample({image, image.size()}, {width, height}, {0, 0, {width, height}}, filter);
}

}  // namespace saccade
