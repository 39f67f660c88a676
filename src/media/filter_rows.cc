// Written once with the compiler's vector types, of 16 sums, and compiled for three instruction sets, of which the
// widest that the machine has is taken when the program runs. Nothing here differs between them but the width, so there
// are no leaves as in kernels/; and target_clones, which would do the same, needs load-time resolvers that sanitizers
// break.
#include "media/filter_rows.h"

#include <algorithm>
#include <cstring>

#include "platform/cpu_features.h"

namespace saccade {

namespace {

typedef int32_t Sums __attribute__((vector_size(64)));   // 16, or four pixels of RGBX
typedef int32_t Pixel __attribute__((vector_size(16)));  // the sums of one RGBX pixel
typedef uint8_t Bytes __attribute__((vector_size(16)));
typedef uint16_t Words __attribute__((vector_size(32)));

constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);
constexpr int kQuad = 4;  // pixels that Sums holds
constexpr size_t kLanes = 16;

[[gnu::always_inline]] inline Bytes load(const uint8_t* data) {
  Bytes bytes;
  std::memcpy(&bytes, data, sizeof(bytes));
  return bytes;
}

/// In two steps, because GCC takes a step of four times apart into single bytes. Sums never go by value: how they are
/// passed depends on the instruction set.
[[gnu::always_inline]] inline void widen(const Bytes& bytes, Sums& wide) {
  const Words words = __builtin_convertvector(bytes, Words);
  wide = __builtin_convertvector(words, Sums);
}

[[gnu::always_inline]] inline int32_t to_8_bits(int32_t sum) {
  return std::clamp(sum >> kPrecisionBits, 0, 255);
}

template <typename Vector>
[[gnu::always_inline]] inline void clamp_to_8_bits(Vector& sums) {
  sums >>= kPrecisionBits;
  sums = sums < 0 ? 0 : sums;
  sums = sums > 255 ? 255 : sums;
}

/// [width, 3] to [width + a quad, 4]; what is behind the row becomes 0. Widened here, once for all the output pixels
/// that a pixel is part of.
[[gnu::always_inline]] inline void spread_to_rgbx(const uint8_t* rgb, int width, int32_t* rgbx) {
  int x = 0;
  for (; x + 6 <= width; x += kQuad) {  // reads four bytes of what follows the four pixels
    const Bytes in = load(rgb + static_cast<ptrdiff_t>(x) * 3);
    const Bytes spread = __builtin_shufflevector(in, in, 0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11);
    Sums wide;
    widen(spread, wide);
    std::memcpy(rgbx + static_cast<ptrdiff_t>(x) * 4, &wide, sizeof(wide));
  }
  for (; x < width; ++x) {
    const Pixel pixel = {rgb[x * 3], rgb[x * 3 + 1], rgb[x * 3 + 2], 0};
    std::memcpy(rgbx + static_cast<ptrdiff_t>(x) * 4, &pixel, sizeof(pixel));
  }
  std::memset(rgbx + static_cast<ptrdiff_t>(width) * 4, 0, sizeof(Sums));
}

[[gnu::always_inline]] inline void across_body(const WidePass& pass, int num_rows, int width,
                                               const uint8_t* const* rows, const Color* padding, uint8_t* const* out,
                                               int32_t* scratch) {
  const size_t wide_size = across_scratch_size(width) / kRowGroup;
  for (int r = 0; r < num_rows; ++r) spread_to_rgbx(rows[r], width, scratch + static_cast<size_t>(r) * wide_size);
  // What is missing from a group is its last row once more, so that the loops below have fixed counts.
  const int32_t* wide_rows[kRowGroup];
  uint8_t* out_rows[kRowGroup];
  Pixel colors[kRowGroup];
  for (int r = 0; r < kRowGroup; ++r) {
    const int row = std::min(r, num_rows - 1);
    wide_rows[r] = scratch + static_cast<size_t>(row) * wide_size;
    out_rows[r] = out[row];
    colors[r] = Pixel{padding[row][0], padding[row][1], padding[row][2], 0};
  }

  size_t out_byte = 0;
  for (const WidePass::WideTaps& taps : pass.taps) {
    const int32_t* weights = pass.weights.data() + taps.weights;
    const ptrdiff_t begin = static_cast<ptrdiff_t>(taps.first) * 4;
    Sums sums[kRowGroup] = {};
    for (int quad = 0; quad < taps.num_quads; ++quad) {
      const ptrdiff_t offset = quad * static_cast<ptrdiff_t>(kLanes);
      Sums weight;
      std::memcpy(&weight, weights + offset, sizeof(weight));
      for (int r = 0; r < kRowGroup; ++r) {
        Sums pixels;
        std::memcpy(&pixels, wide_rows[r] + begin + offset, sizeof(pixels));
        sums[r] += pixels * weight;
      }
    }
    for (int r = 0; r < kRowGroup; ++r) {
      Pixel parts[kQuad];
      std::memcpy(parts, &sums[r], sizeof(parts));
      Pixel pixel = (parts[0] + parts[1]) + (parts[2] + parts[3]) + (kHalf + colors[r] * taps.padding_weight);
      clamp_to_8_bits(pixel);
      const int32_t rgb = pixel[0] | pixel[1] << 8 | pixel[2] << 16;
      std::memcpy(out_rows[r] + out_byte, &rgb, sizeof(rgb));  // the fourth byte is overwritten by the next pixel
    }
    out_byte += 3;
  }
}

[[gnu::always_inline]] inline void down_body(const Taps& taps, const int32_t* weights, const uint8_t* rows,
                                             size_t row_stride, const uint8_t* padding_row, size_t num_bytes,
                                             uint8_t* out) {
  constexpr size_t kVectors = 2;
  size_t x = 0;
  for (; x + kVectors * kLanes <= num_bytes; x += kVectors * kLanes) {
    Sums sums[kVectors];
    for (size_t v = 0; v < kVectors; ++v) {
      widen(load(padding_row + x + v * kLanes), sums[v]);
      sums[v] = kHalf + sums[v] * taps.padding_weight;
    }
    const uint8_t* row = rows + x;
    for (int i = 0; i < taps.count; ++i, row += row_stride) {
      for (size_t v = 0; v < kVectors; ++v) {
        Sums values;
        widen(load(row + v * kLanes), values);
        sums[v] += values * weights[i];
      }
    }
    for (size_t v = 0; v < kVectors; ++v) {
      clamp_to_8_bits(sums[v]);
      const Words words = __builtin_convertvector(sums[v], Words);
      const Bytes bytes = __builtin_convertvector(words, Bytes);
      std::memcpy(out + x + v * kLanes, &bytes, sizeof(bytes));
    }
  }
  for (; x < num_bytes; ++x) {
    int32_t sum = kHalf + padding_row[x] * taps.padding_weight;
    for (int i = 0; i < taps.count; ++i) sum += rows[static_cast<size_t>(i) * row_stride + x] * weights[i];
    out[x] = static_cast<uint8_t>(to_8_bits(sum));
  }
}

// NOLINTBEGIN(bugprone-macro-parentheses): an attribute cannot stand in parentheses
#define SACCADE_FILTERS(name, target)                                                                       \
  target void across_##name(const WidePass& pass, int num_rows, int width, const uint8_t* const* rows,      \
                            const Color* padding, uint8_t* const* out, int32_t* scratch) {                  \
    across_body(pass, num_rows, width, rows, padding, out, scratch);                                        \
  }                                                                                                         \
  target void down_##name(const Taps& taps, const int32_t* weights, const uint8_t* rows, size_t row_stride, \
                          const uint8_t* padding_row, size_t num_bytes, uint8_t* out) {                     \
    down_body(taps, weights, rows, row_stride, padding_row, num_bytes, out);                                \
  }

SACCADE_FILTERS(baseline, )
#if defined(__x86_64__)
SACCADE_FILTERS(avx2, [[gnu::target("avx2")]])
SACCADE_FILTERS(avx512, [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl")]])
#endif
// NOLINTEND(bugprone-macro-parentheses)

std::vector<RowFilters> usable_filters() {
  std::vector<RowFilters> filters;
#if defined(__x86_64__)
  const CpuFeatures& features = cpu_features();
  if (features.has_avx512f && features.has_avx512bw && features.has_avx512dq && features.has_avx512vl) {
    filters.push_back({"avx512", across_avx512, down_avx512});
  }
  if (features.has_avx2) filters.push_back({"avx2", across_avx2, down_avx2});
#endif
  filters.push_back({"baseline", across_baseline, down_baseline});
  return filters;
}

}  // namespace

WidePass::WidePass(const Pass& pass) {
  for (const Taps& narrow : pass.taps) {
    const int num_quads = (narrow.count + kQuad - 1) / kQuad;
    taps.push_back({narrow.first, num_quads, weights.size(), narrow.padding_weight});
    for (int i = 0; i < num_quads * kQuad; ++i) {
      const int32_t weight = i < narrow.count ? pass.weights[narrow.weights + static_cast<size_t>(i)] : 0;
      weights.insert(weights.end(), 4, weight);
    }
  }
}

size_t across_scratch_size(int width) {
  return kRowGroup * (static_cast<size_t>(width) * 4 + kLanes);
}

const std::vector<RowFilters>& row_filters() {
  static const std::vector<RowFilters> kFilters = usable_filters();
  return kFilters;
}

}  // namespace saccade
