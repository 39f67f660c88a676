#include "platform/huge_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>
#include <utility>

namespace saccade {
namespace {

constexpr int64_t kArenaBytes = int64_t{64} << 20;  // of a buffer; what is never touched takes no memory
constexpr int64_t kPieceAlignment = 64;

#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kMaxPieceBytes = 0;  // the sanitizer must see every piece's end
#else
constexpr int64_t kMaxPieceBytes = kArenaBytes / 4;
#endif

}  // namespace

HugeBuffer::HugeBuffer(int64_t num_bytes) {
  if (num_bytes <= 0) return;
  void* memory =
      mmap(nullptr, static_cast<size_t>(num_bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  // A wish: where the system has no huge pages, small ones do.
  madvise(memory, static_cast<size_t>(num_bytes), MADV_HUGEPAGE);
#endif
  data_ = static_cast<std::byte*>(memory);
  num_bytes_ = num_bytes;
}

HugeBuffer::~HugeBuffer() {
  if (data_ != nullptr) munmap(data_, static_cast<size_t>(num_bytes_));
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), num_bytes_(std::exchange(other.num_bytes_, 0)) {}

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(num_bytes_, other.num_bytes_);
  return *this;
}

std::shared_ptr<std::byte> HugeArena::take(int64_t num_bytes) {
  if (num_bytes > kMaxPieceBytes) {
    auto own = std::make_shared<HugeBuffer>(num_bytes);
    return {own, own->data()};
  }
  std::lock_guard lock(mutex_);
  std::shared_ptr<HugeBuffer> buffer = current_.lock();
  if (buffer == nullptr || used_ + num_bytes > buffer->num_bytes()) {
    buffer = std::make_shared<HugeBuffer>(kArenaBytes);
    current_ = buffer;
    used_ = 0;
  }
  std::byte* piece = buffer->data() + used_;
  used_ += (num_bytes + kPieceAlignment - 1) / kPieceAlignment * kPieceAlignment;
  return {std::move(buffer), piece};
}

void release_mapped_pages(const std::byte* data, int64_t num_bytes) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(data);
  const uintptr_t begin = (address + page - 1) / page * page;
  const uintptr_t end = (address + static_cast<uintptr_t>(num_bytes)) / page * page;
  if (begin < end) madvise(const_cast<std::byte*>(data) + (begin - address), end - begin, MADV_DONTNEED);
}

}  // namespace saccade
