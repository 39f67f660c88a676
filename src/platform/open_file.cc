#include "platform/open_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace saccade {

Expected<OpenFile> OpenFile::open(const std::string& path) {
  // O_NONBLOCK: a FIFO without a writer is refused below instead of being waited for.
  OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.descriptor_ < 0) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) return not_found(path + ": no such file");
    return io_error(path + ": cannot open: " + std::strerror(error));
  }
  struct stat info = {};
  if (::fstat(file.descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
    return io_error(path + (S_ISDIR(info.st_mode) ? ": is a directory, not a file" : ": is not a regular file"));
  }
  file.size_bytes_ = static_cast<uint64_t>(info.st_size);
  return file;
}

OpenFile::~OpenFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace saccade
