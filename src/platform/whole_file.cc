#include "platform/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
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

namespace {

Status cannot_write(const std::string& path, int error) {
  return io_error(path + ": cannot write: " + std::strerror(error));
}

/// 0, or the error.
int write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return 0;
}

std::string partial_path(const std::string& path) {
  return path + ".partial";
}

/// The descriptor of the file that is to become `path`.
Expected<int> open_partial(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return io_error(path + (S_ISDIR(info.st_mode) ? ": is a directory; give the name of a file to write"
                                                  : ": is not a regular file; give the name of a file to write"));
  }
  const int descriptor = ::open(partial_path(path).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) return not_found(path + ": the folder to write to does not exist");
    return cannot_write(path, error);
  }
  return descriptor;
}

}  // namespace

Status write_whole_file(const std::string& path, std::span<const std::byte> bytes) {
  SACCADE_ASSIGN_OR_RETURN(const int descriptor, open_partial(path));
  const std::string partial = partial_path(path);
  int error = write_all(descriptor, bytes);
  if (::close(descriptor) != 0 && error == 0) error = errno;
  if (error == 0 && std::rename(partial.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return {};
  ::unlink(partial.c_str());
  return cannot_write(path, error);
}

Status check_writable(const std::string& path) {
  if (path.empty()) return invalid_argument("the name of the file to write is empty");
  SACCADE_ASSIGN_OR_RETURN(const int descriptor, open_partial(path));
  ::close(descriptor);
  ::unlink(partial_path(path).c_str());
  return {};
}

}  // namespace saccade
