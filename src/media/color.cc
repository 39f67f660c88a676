#include "media/color.h"

namespace saccade {

namespace {

/// round(value / 255) for value in [0, 255 * 255].
uint8_t divide_by_255(unsigned value) {
  value += 128;
  return static_cast<uint8_t>((value + (value >> 8)) >> 8);
}

}  // namespace

void compose_on_white(std::vector<uint8_t>& pixels) {
  const size_t num_pixels = pixels.size() / 4;
  for (size_t i = 0; i < num_pixels; ++i) {
    const uint8_t* rgba = pixels.data() + i * 4;
    const unsigned alpha = rgba[3];
    const unsigned white = 255 * (255 - alpha);
    // All read before the first is written: pixel i is written at 3i, over what was read before.
    const uint8_t r = divide_by_255(rgba[0] * alpha + white);
    const uint8_t g = divide_by_255(rgba[1] * alpha + white);
    const uint8_t b = divide_by_255(rgba[2] * alpha + white);
    uint8_t* out = pixels.data() + i * 3;
    out[0] = r;
    out[1] = g;
    out[2] = b;
  }
  pixels.resize(num_pixels * 3);
}

void convert_inverted_cmyk(std::vector<uint8_t>& pixels) {
  const size_t num_pixels = pixels.size() / 4;
  for (size_t i = 0; i < num_pixels; ++i) {
    const uint8_t* cmyk = pixels.data() + i * 4;
    const unsigned light = cmyk[3];
    // light minus the rounded share that the ink takes, rather than the rounded share that is left.
    const auto r = static_cast<uint8_t>(light - divide_by_255((255u - cmyk[0]) * light));
    const auto g = static_cast<uint8_t>(light - divide_by_255((255u - cmyk[1]) * light));
    const auto b = static_cast<uint8_t>(light - divide_by_255((255u - cmyk[2]) * light));
    uint8_t* out = pixels.data() + i * 3;
    out[0] = r;
    out[1] = g;
    out[2] = b;
  }
  pixels.resize(num_pixels * 3);
}

}  // namespace saccade
