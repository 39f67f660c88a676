// Large buffers that are read front to back: page-aligned, on huge pages where the system gives them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

namespace saccade {

/// Zeroed memory. Moves, does not copy.
class HugeBuffer {
 public:
  HugeBuffer() = default;
  /// Throws std::bad_alloc.
  explicit HugeBuffer(int64_t num_bytes);
  ~HugeBuffer();
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  int64_t num_bytes() const { return num_bytes_; }

 private:
  std::byte* data_ = nullptr;
  int64_t num_bytes_ = 0;
};

/// Cuts pieces from large buffers: the system gives huge pages to whole ones only, so a small piece has them where its
/// neighbours lie beside it. Without them, a stream through many small matrices waits for address translation.
/// Thread safety: any thread.
class HugeArena {
 public:
  /// Zeroed, aligned to 64 bytes. A buffer goes back to the system with the last of its pieces. Throws std::bad_alloc.
  std::shared_ptr<std::byte> take(int64_t num_bytes);

 private:
  std::mutex mutex_;
  // Guarded by mutex_.
  std::weak_ptr<HugeBuffer> current_;
  int64_t used_ = 0;
};

/// Gives the pages that lie wholly within [data, data + num_bytes) of a read-only file mapping back to the system; they
/// are read from the file again if touched.
void release_mapped_pages(const std::byte* data, int64_t num_bytes);

}  // namespace saccade
