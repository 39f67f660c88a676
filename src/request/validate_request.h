// The edge of the engine: what a request may say, and the pictures it names as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "platform/whole_file.h"
#include "saccade/request.h"
#include "saccade/status.h"

namespace saccade {

/// Roles, order of turns, UTF-8, ranges of the sampling options, stop strings. Errors: kInvalidArgument names the field
/// and the values it may have.
Status validate_request(const Request& request);

/// A picture file's bytes: those of the request, or a copy of the file (an upload may still change under a mapping).
class MediaBytes {
 public:
  /// Errors: kNotFound, kIoError, kResourceExhausted (over `max_bytes`), kCorruptData (empty), with the path. `part`
  /// must outlive the result.
  static Expected<MediaBytes> open(const ContentPart& part, uint64_t max_bytes);
  /// No bytes, under a name for messages.
  explicit MediaBytes(std::string name) : name_(std::move(name)) {}

  MediaBytes(MediaBytes&&) noexcept = default;
  MediaBytes& operator=(MediaBytes&&) noexcept = default;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& name() const { return name_; }

 private:
  MediaBytes() = default;

  std::vector<std::byte> file_;
  std::span<const std::byte> bytes_;
  std::string name_;
};

}  // namespace saccade
