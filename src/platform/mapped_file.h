// A whole file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "saccade/status.h"

namespace saccade {

class MappedFile {
 public:
  /// Maps `path`. Errors: kNotFound, kIoError (a directory, no permission), with the path in the message.
  static Expected<MappedFile> open(const std::string& path);

  /// So many zeros, which take no memory, in place of a file's bytes. Errors: kResourceExhausted.
  static Expected<MappedFile> zeros(const std::string& path, uint64_t num_bytes);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

 private:
  std::span<const std::byte> bytes_;
  std::string path_;
};

}  // namespace saccade
