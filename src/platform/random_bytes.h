// Random bytes that nobody can guess.
#pragma once

#include <cstddef>
#include <span>

#include "saccade/status.h"

namespace saccade {

/// Fills up to 256 bytes from the operating system's generator. Errors: kIoError.
Status fill_random(std::span<std::byte> bytes);

}  // namespace saccade
