// The one EXIF fact that matters here: which way up the picture is.
#pragma once

#include <cstddef>
#include <span>

namespace saccade {

/// The orientation (TIFF tag 0x0112, 1..8) of an EXIF block: a TIFF header and its first directory, with or without
/// "Exif\0\0" in front. 1, upright, where it is absent or the block is damaged: a picture is not refused for that.
int exif_orientation(std::span<const std::byte> exif);

}  // namespace saccade
