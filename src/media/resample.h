// The resampling behind resize(), with what the processors need besides: a picture padded by a colour without the
// padding being stored, and a part of the result without the rest being computed. A picture of 1 x 5000 pixels
// becomes a square of 25 million, or a strip of 336 x 1,680,000 of which the centre is wanted.
#pragma once

#include <array>
#include <cstdint>

#include "base/function_ref.h"
#include "media/image.h"
#include "media/resize.h"
#include "platform/thread_pool.h"

namespace saccade {

/// `image` with its upper left corner at (left, top) of a canvas of one colour; it lies within the canvas.
struct PaddedImage {
  const Image& image;
  ImageSize canvas;
  int left = 0;
  int top = 0;
  std::array<uint8_t, 3> color = {0, 0, 0};
};

/// Takes row `y` [width, 3] of a result while it is still in the cache. Called by the pool's threads, for each row once
/// and in any order.
using RowSink = FunctionRef<void(int y, const uint8_t* row)>;

/// `window` of what Pillow makes of `box` of the canvas, resized to `output`. All sizes are at least 1.
void resample(const PaddedImage& source, const Box& box, ImageSize output, const Window& window, ResizeFilter filter,
              ThreadPool& pool, RowSink sink);

/// resize(), row by row.
void resize_rows(const DecodedImage& decoded, ImageSize output, ResizeFilter filter, ThreadPool& pool, RowSink sink);

/// Where the whole of the original lies in `decoded.image`.
Box original_box(const DecodedImage& decoded);

}  // namespace saccade
