#include "platform/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/format.h"
#include "platform/open_file.h"

namespace saccade {

Expected<MappedFile> MappedFile::open(const std::string& path) {
  SACCADE_ASSIGN_OR_RETURN(const OpenFile opened, OpenFile::open(path));
  MappedFile file;
  file.path_ = path;
  if (opened.size_bytes() > 0) {
    void* address = ::mmap(nullptr, opened.size_bytes(), PROT_READ, MAP_PRIVATE, opened.descriptor(), 0);
    if (address == MAP_FAILED) return io_error(path + ": cannot map into memory: " + std::strerror(errno));
    file.bytes_ = {static_cast<const std::byte*>(address), opened.size_bytes()};
  }
  return file;
}

Expected<MappedFile> MappedFile::zeros(const std::string& path, uint64_t num_bytes) {
  MappedFile file;
  file.path_ = path;
  if (num_bytes == 0) return file;
  void* address = ::mmap(nullptr, num_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    return resource_exhausted(path + ": a tensor of " + format_bytes(num_bytes) +
                              " does not fit into the address space");
  }
  file.bytes_ = {static_cast<const std::byte*>(address), num_bytes};
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : bytes_(std::exchange(other.bytes_, {})), path_(std::move(other.path_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace saccade
