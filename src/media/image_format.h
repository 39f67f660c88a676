// Which format a file is in, by its first bytes.
#pragma once

#include <cstddef>
#include <span>

#include "media/image.h"
#include "saccade/status.h"

namespace saccade {

/// Errors: kUnsupported, saying what the bytes look like instead; kCorruptData for an empty file.
Expected<ImageFormat> identify_image(std::span<const std::byte> bytes);

}  // namespace saccade
