// Resampling as Pillow does it: separable filter with antialiasing, 8-bit fixed point between the passes.
#pragma once

#include "media/image.h"

namespace saccade {

enum class ResizeFilter : uint8_t { kBilinear, kBicubic, kLanczos };

/// Pillow's Image.resize(): support scales with the shrink factor; bicubic has a = -0.5. Exactly its 8-bit results.
Image resize(const Image& image, int width, int height, ResizeFilter filter);

}  // namespace saccade
