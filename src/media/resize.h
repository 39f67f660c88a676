// Resampling as Pillow does it: separable filter with antialiasing, rounded to 8 bits between the passes.
#pragma once

#include "media/image.h"
#include "platform/thread_pool.h"

namespace saccade {

enum class ResizeFilter : uint8_t { kBilinear, kBicubic, kLanczos };

/// Pillow's Image.resize(): support scales with the shrink factor; bicubic has a = -0.5. Exactly the 8-bit results of
/// Pillow 13 where the picture was decoded at full size; of a reduced one, the whole of the original, from as much of
/// it as was decoded. Both sides of `output` are at least 1.
Image resize(const DecodedImage& decoded, ImageSize output, ResizeFilter filter, ThreadPool& pool);

}  // namespace saccade
