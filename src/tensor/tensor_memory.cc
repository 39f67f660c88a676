#include "tensor/tensor_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace saccade {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kHugePage = int64_t{2} << 20;
constexpr int64_t kMinKeptBytes = 64 << 10;  // smaller ones are the C library's business

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int64_t kMaxKeptBytes = 0;  // the sanitizers must see every block's end
#else
constexpr int64_t kMaxKeptBytes = int64_t{256} << 20;
#endif

/// Sizes in steps of an eighth of their power of two, so that tensors of nearly the same size share blocks.
int64_t block_size(int64_t num_bytes) {
  if (num_bytes < kMinKeptBytes) return (num_bytes + kAlignment - 1) / kAlignment * kAlignment;
  int64_t step = kMinKeptBytes / 8;
  while (step * 16 <= num_bytes) step *= 2;
  return (num_bytes + step - 1) / step * step;
}

class KeptBlocks {
 public:
  std::byte* take(int64_t size) {
    std::lock_guard lock(mutex_);
    const auto found = blocks_.find(size);
    if (found == blocks_.end() || found->second.empty()) return nullptr;
    std::byte* data = found->second.back();
    found->second.pop_back();
    num_bytes_ -= size;
    return data;
  }

  /// False where there is enough already.
  bool keep(std::byte* data, int64_t size) {
    std::lock_guard lock(mutex_);
    if (num_bytes_ + size > kMaxKeptBytes) return false;
    blocks_[size].push_back(data);
    num_bytes_ += size;
    return true;
  }

  uint64_t num_bytes() {
    std::lock_guard lock(mutex_);
    return static_cast<uint64_t>(num_bytes_);
  }

  void release() {
    std::lock_guard lock(mutex_);
    for (auto& [size, blocks] : blocks_) {
      for (std::byte* data : blocks) std::free(data);
    }
    blocks_.clear();
    num_bytes_ = 0;
  }

 private:
  std::mutex mutex_;
  // Guarded by mutex_.
  std::map<int64_t, std::vector<std::byte*>> blocks_;  // by size
  int64_t num_bytes_ = 0;
};

KeptBlocks& kept_blocks() {
  static auto* blocks = new KeptBlocks;  // lives as long as any tensor
  return *blocks;
}

}  // namespace

std::byte* take_tensor_memory(int64_t num_bytes) {
  const int64_t size = block_size(num_bytes);
  if (size >= kMinKeptBytes) {
    if (std::byte* data = kept_blocks().take(size)) return data;
  }
  const int64_t alignment = size >= kHugePage ? kHugePage : kAlignment;
  const int64_t rounded = (size + alignment - 1) / alignment * alignment;
  auto* data =
      static_cast<std::byte*>(std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(rounded)));
  if (data == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  if (size >= kHugePage) madvise(data, static_cast<size_t>(size), MADV_HUGEPAGE);  // a wish
#endif
  return data;
}

void give_back_tensor_memory(std::byte* data, int64_t num_bytes) {
  const int64_t size = block_size(num_bytes);
  if (size >= kMinKeptBytes && kept_blocks().keep(data, size)) return;
  std::free(data);
}

uint64_t kept_tensor_bytes() {
  return kept_blocks().num_bytes();
}

void release_tensor_memory() {
  kept_blocks().release();
}

}  // namespace saccade
