// The two inner loops of resampling. They are the whole cost of it, and give the same sums on every machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace saccade {

/// Pillow, src/libImaging/Resample.c: 8 bits of result and 2 of headroom for filters that overshoot.
inline constexpr int kPrecisionBits = 32 - 8 - 2;

using Color = std::array<uint8_t, 3>;

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

/// A Pass in the order in which rows are filtered: a weight for each byte of four RGBX pixels, zeros at the end.
struct WidePass {
  explicit WidePass(const Pass& pass);

  struct WideTaps {
    int first;
    int num_quads;
    size_t weights;
    int32_t padding_weight;
  };
  std::vector<WideTaps> taps;
  std::vector<int32_t> weights;  // [quads of all taps, 4 pixels, 4 channels]
};

/// Rows that RowFilters::across takes at once, so that the weights are read once for them.
inline constexpr int kRowGroup = 4;
/// Bytes behind an output row of RowFilters::across that it may write.
inline constexpr size_t kRowSlack = 1;

/// The size of RowFilters::across's working memory (`scratch`) for rows of `width` pixels.
size_t across_scratch_size(int width);

/// The loops for one instruction set.
struct RowFilters {
  const char* isa;

  /// `num_rows` <= kRowGroup rows of [width, 3] across; rows[i] and out[i] [taps, 3] are theirs. `padding` is the
  /// colour left and right of rows[i], for each.
  void (*across)(const WidePass& pass, int num_rows, int width, const uint8_t* const* rows, const Color* padding,
                 uint8_t* const* out, int32_t* scratch);

  /// One row of the result of the pass down, of `num_bytes`. `rows` are the image's, `row_stride` bytes apart, from
  /// taps.first on; `padding_row` is the row that stands above and below them.
  void (*down)(const Taps& taps, const int32_t* weights, const uint8_t* rows, size_t row_stride,
               const uint8_t* padding_row, size_t num_bytes, uint8_t* out);
};

/// Those that this machine can run, the fastest first.
const std::vector<RowFilters>& row_filters();

}  // namespace saccade
