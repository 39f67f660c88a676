#include "platform/whole_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/format.h"
#include "platform/open_file.h"

namespace saccade {

Expected<std::vector<std::byte>> read_whole_file(const std::string& path, uint64_t max_bytes) {
  SACCADE_ASSIGN_OR_RETURN(const OpenFile file, OpenFile::open(path));
  if (file.size_bytes() > max_bytes) {
    return resource_exhausted(path + ": the file has " + format_bytes(file.size_bytes()) + "; the limit is " +
                              format_bytes(max_bytes));
  }
  std::vector<std::byte> bytes(file.size_bytes());
  size_t num_read = 0;
  while (num_read < bytes.size()) {
    const ssize_t count = ::read(file.descriptor(), bytes.data() + num_read, bytes.size() - num_read);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error(path + ": cannot read: " + std::strerror(errno));
    if (count == 0) break;  // it became shorter since it was opened
    num_read += static_cast<size_t>(count);
  }
  bytes.resize(num_read);
  return bytes;
}

}  // namespace saccade
