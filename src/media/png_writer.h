// RGB to PNG files, for pictures that a person looks at.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "media/image.h"
#include "saccade/status.h"

namespace saccade {

/// Errors: kInvalidArgument (an empty picture, which PNG has none of), kResourceExhausted (no memory).
Expected<std::vector<std::byte>> encode_png(const Image& image);

/// Writes the file whole or not at all, replacing what was there. Errors: those of encode_png() and
/// write_whole_file().
Status write_png(const Image& image, const std::string& path);

}  // namespace saccade
