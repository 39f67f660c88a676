// Memory that the kernels work in: kept from call to call, so that nothing is allocated in the steady state.
#pragma once

#include <cstddef>
#include <cstdint>

#include "platform/huge_buffer.h"

namespace saccade {

/// Grows as needed. Growing loses what was there. Throws std::bad_alloc.
class Scratch {
 public:
  std::byte* reserve(int64_t num_bytes) {
    constexpr int64_t kStep = 1 << 16;
    if (buffer_.num_bytes() < num_bytes) buffer_ = HugeBuffer((num_bytes + kStep - 1) / kStep * kStep);
    return buffer_.data();
  }

 private:
  HugeBuffer buffer_;
};

/// Cuts a buffer into aligned pieces; from null, only measures what they will take.
class Pieces {
 public:
  explicit Pieces(std::byte* base) : base_(base) {}
  template <typename T>
  T* take(int64_t count) {
    constexpr int64_t kAlignment = 64;
    T* piece = reinterpret_cast<T*>(base_ == nullptr ? nullptr : base_ + used_);
    used_ += (count * static_cast<int64_t>(sizeof(T)) + kAlignment - 1) / kAlignment * kAlignment;
    return piece;
  }
  int64_t used() const { return used_; }

 private:
  std::byte* base_;
  int64_t used_ = 0;
};

}  // namespace saccade
