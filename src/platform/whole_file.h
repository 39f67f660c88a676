// A file's bytes, copied into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "saccade/status.h"

namespace saccade {

/// Errors: kNotFound, kIoError (a directory, a device, no permission), kResourceExhausted (over `max_bytes`), with the
/// path in the message.
Expected<std::vector<std::byte>> read_whole_file(const std::string& path, uint64_t max_bytes);

}  // namespace saccade
