// A file's bytes, copied into memory, and memory's bytes written to a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "saccade/status.h"

namespace saccade {

/// Errors: kNotFound, kIoError (a directory, a device, no permission), kResourceExhausted (over `max_bytes`), with the
/// path in the message.
Expected<std::vector<std::byte>> read_whole_file(const std::string& path, uint64_t max_bytes);

/// Writes the file whole or not at all: into `path`.partial, which then takes the name, replacing what was there.
/// Errors: kNotFound (no such folder), kIoError (`path` is a directory or a device, no permission, disk full), with the
/// path in the message.
Status write_whole_file(const std::string& path, std::span<const std::byte> bytes);

/// Whether write_whole_file() could begin to, for work that takes long before there is anything to write. Leaves
/// nothing behind. Errors: those of write_whole_file().
Status check_writable(const std::string& path);

}  // namespace saccade
