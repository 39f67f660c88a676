// A regular file, open for reading.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "saccade/status.h"

namespace saccade {

class OpenFile {
 public:
  /// Errors: kNotFound, kIoError (a directory, a FIFO, a device, no permission), with the path in the message.
  static Expected<OpenFile> open(const std::string& path);

  OpenFile(OpenFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), size_bytes_(other.size_bytes_) {}
  OpenFile& operator=(OpenFile&&) = delete;
  ~OpenFile();

  int descriptor() const { return descriptor_; }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  explicit OpenFile(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
  uint64_t size_bytes_ = 0;
};

}  // namespace saccade
