// Four-channel pixels to RGB, in place, with Pillow's rounding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace saccade {

/// [n, 4] RGBA to [n, 3]: composed on white.
void compose_on_white(std::vector<uint8_t>& pixels);

/// [n, 4] CMYK as JPEG files hold it (inverted: 255 is no ink) to [n, 3] RGB.
void convert_inverted_cmyk(std::vector<uint8_t>& pixels);

}  // namespace saccade
