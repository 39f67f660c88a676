#include "server/body_buffer.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace saccade {

BodyBuffer::BodyBuffer(BodyBuffer&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)), room_(std::exchange(other.room_, 0)) {}

BodyBuffer& BodyBuffer::operator=(BodyBuffer&& other) noexcept {
  bytes_ = std::move(other.bytes_);
  size_ = std::exchange(other.size_, 0);
  room_ = std::exchange(other.room_, 0);
  return *this;
}

void BodyBuffer::reserve(size_t num_bytes) {
  if (num_bytes + kPadding <= room_) return;
  auto* grown = static_cast<char*>(std::realloc(bytes_.get(), num_bytes + kPadding));
  if (grown == nullptr) throw std::bad_alloc();
  (void)bytes_.release();  // realloc() freed it
  bytes_.reset(grown);
  room_ = num_bytes + kPadding;
  std::memset(bytes_.get() + size_, 0, kPadding);
}

void BodyBuffer::append(std::string_view bytes) {
  if (size_ + bytes.size() + kPadding > room_) reserve(std::max(size_ + bytes.size(), 2 * size_));
  std::memcpy(bytes_.get() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
  std::memset(bytes_.get() + size_, 0, kPadding);
}

}  // namespace saccade
