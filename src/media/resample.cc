#include "media/resample.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <memory>
#include <numbers>

#include "media/filter_rows.h"

namespace saccade {

namespace {

constexpr int32_t kOne = 1 << kPrecisionBits;

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

/// What a pass makes of padding from end to end.
Color filter_padding(const Taps& taps, const Color& color) {
  Color out;
  for (size_t c = 0; c < 3; ++c) {
    const int32_t sum = kOne / 2 + color[c] * taps.total_weight;
    out[c] = static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
  }
  return out;
}

void append_color(const Color& color, std::vector<uint8_t>& row) {
  row.insert(row.end(), color.begin(), color.end());
}

void append_padding_row(const PaddedImage& source, const Pass& across, std::vector<uint8_t>& row) {
  for (const Taps& taps : across.taps) append_color(filter_padding(taps, source.color), row);
}

/// Rows that are worth a thread's while, of the source or of the result.
constexpr int64_t kGrain = 16;

void resample_across_first(const PaddedImage& source, const Pass& across, const Pass& down, ThreadPool& pool,
                           RowSink sink) {
  const Image& image = source.image;
  const RowFilters& filters = row_filters().front();
  int first_row = image.height;  // of the rows that the pass down will need
  int last_row = 0;
  for (const Taps& taps : down.taps) {
    if (taps.count == 0) continue;
    first_row = std::min(first_row, taps.first);
    last_row = std::max(last_row, taps.first + taps.count);
  }
  const WidePass wide(across);
  const size_t row_bytes = across.taps.size() * 3;
  const size_t stride = row_bytes + kRowSlack;
  const int64_t num_rows = std::max(0, last_row - first_row);
  const auto rows = std::make_unique_for_overwrite<uint8_t[]>(stride * static_cast<size_t>(num_rows));
  const Color colors[kRowGroup] = {source.color, source.color, source.color, source.color};
  pool.parallel_for((num_rows + kRowGroup - 1) / kRowGroup, kGrain / kRowGroup, [&](int64_t begin, int64_t end, int) {
    std::vector<int32_t> scratch(across_scratch_size(image.width));
    for (int64_t row = begin * kRowGroup; row < std::min(end * kRowGroup, num_rows); row += kRowGroup) {
      const auto count = static_cast<int>(std::min<int64_t>(kRowGroup, num_rows - row));
      const uint8_t* in[kRowGroup];
      uint8_t* out[kRowGroup];
      for (int r = 0; r < count; ++r) {
        in[r] = image.pixel(0, first_row + static_cast<int>(row) + r);
        out[r] = rows.get() + static_cast<size_t>(row + r) * stride;
      }
      filters.across(wide, count, image.width, in, colors, out, scratch.data());
    }
  });
  std::vector<uint8_t> padding_row;
  append_padding_row(source, across, padding_row);
  pool.parallel_for(static_cast<int64_t>(down.taps.size()), kGrain, [&](int64_t begin, int64_t end, int) {
    std::vector<uint8_t> out(row_bytes);
    for (int64_t y = begin; y < end; ++y) {
      const Taps& taps = down.taps[static_cast<size_t>(y)];
      const size_t row_idx = taps.count == 0 ? 0 : static_cast<size_t>(taps.first - first_row);
      filters.down(taps, down.weights.data() + taps.weights, rows.get() + row_idx * stride, stride, padding_row.data(),
                   row_bytes, out.data());
      sink(static_cast<int>(y), out.data());
    }
  });
}

void resample_down_first(const PaddedImage& source, const Pass& across, const Pass& down, ThreadPool& pool,
                         RowSink sink) {
  const Image& image = source.image;
  const RowFilters& filters = row_filters().front();
  const size_t row_bytes = static_cast<size_t>(image.width) * 3;
  const size_t out_bytes = across.taps.size() * 3 + kRowSlack;
  std::vector<uint8_t> padding_row;
  for (int x = 0; x < image.width; ++x) append_color(source.color, padding_row);
  const WidePass wide(across);
  const auto num_rows = static_cast<int64_t>(down.taps.size());
  pool.parallel_for((num_rows + kRowGroup - 1) / kRowGroup, kGrain / kRowGroup, [&](int64_t begin, int64_t end, int) {
    std::vector<uint8_t> rows(row_bytes * kRowGroup);
    std::vector<uint8_t> results(out_bytes * kRowGroup);
    std::vector<int32_t> scratch(across_scratch_size(image.width));
    for (int64_t row = begin * kRowGroup; row < std::min(end * kRowGroup, num_rows); row += kRowGroup) {
      const auto count = static_cast<int>(std::min<int64_t>(kRowGroup, num_rows - row));
      const uint8_t* in[kRowGroup];
      uint8_t* out[kRowGroup];
      Color colors[kRowGroup];
      for (int r = 0; r < count; ++r) {
        const Taps& taps = down.taps[static_cast<size_t>(row + r)];
        uint8_t* filtered = rows.data() + static_cast<size_t>(r) * row_bytes;
        filters.down(taps, down.weights.data() + taps.weights, image.pixel(0, taps.count == 0 ? 0 : taps.first),
                     row_bytes, padding_row.data(), row_bytes, filtered);
        in[r] = filtered;
        out[r] = results.data() + static_cast<size_t>(r) * out_bytes;
        colors[r] = filter_padding(taps, source.color);
      }
      filters.across(wide, count, image.width, in, colors, out, scratch.data());
      for (int r = 0; r < count; ++r) sink(static_cast<int>(row) + r, out[r]);
    }
  });
}

/// The passes don't commute, for the values between them are rounded to 8 bits. Pillow up to 12 always goes across
/// first; since 13.0, which is followed here, down first where that takes away over twice as many rows as columns.
bool is_down_first(const Box& from, ImageSize to) {
  const double fewer_rows = from.height - to.height;
  const double fewer_columns = from.width - to.width;
  return fewer_rows > 0 && fewer_rows > 2 * fewer_columns;
}

}  // namespace

void resample(const PaddedImage& source, const Box& box, ImageSize output, const Window& window, ResizeFilter filter,
              ThreadPool& pool, RowSink sink) {
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
  if (is_down_first(box, output)) {
    resample_down_first(source, across, down, pool, sink);
  } else {
    resample_across_first(source, across, down, pool, sink);
  }
}

Box original_box(const DecodedImage& decoded) {
  const double reduction = decoded.reduction;
  return {decoded.left, decoded.top, decoded.original.width / reduction, decoded.original.height / reduction};
}

void resize_rows(const DecodedImage& decoded, ImageSize output, ResizeFilter filter, ThreadPool& pool, RowSink sink) {
  const Image& image = decoded.image;
  if (decoded.reduction == 1 && image.size() == output) {
    for (int y = 0; y < image.height; ++y) sink(y, image.pixel(0, y));
    return;
  }
  resample({image, image.size()}, original_box(decoded), output, {0, 0, output}, filter, pool, sink);
}

Image resize(const DecodedImage& decoded, ImageSize output, ResizeFilter filter, ThreadPool& pool) {
  Image result = make_image(output);
  resize_rows(decoded, output, filter, pool, [&](int y, const uint8_t* row) {
    std::memcpy(result.pixel(0, y), row, static_cast<size_t>(output.width) * 3);
  });
  return result;
}

}  // namespace saccade
