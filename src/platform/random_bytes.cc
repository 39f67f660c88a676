#include "platform/random_bytes.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace saccade {

Status fill_random(std::span<std::byte> bytes) {
  if (::getentropy(bytes.data(), bytes.size()) == 0) return {};
  return io_error(std::string("the system has no random bytes: ") + std::strerror(errno));
}

}  // namespace saccade
