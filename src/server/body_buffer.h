// The bytes of a request's body, once in memory, with the room behind them that simdjson reads into.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace saccade {

/// Moves, does not copy.
class BodyBuffer {
 public:
  static constexpr size_t kPadding = 64;

  /// Makes room for a body of so many bytes; more may come. Pages that are not written to take no memory. Throws
  /// std::bad_alloc.
  void reserve(size_t num_bytes);
  /// Throws std::bad_alloc.
  void append(std::string_view bytes);
  /// Gives the memory back.
  void clear() { *this = BodyBuffer(); }

  std::string_view text() const { return {bytes_.get(), size_}; }
  /// With the padding, all of it initialised.
  size_t capacity() const { return bytes_ == nullptr ? 0 : size_ + kPadding; }

  BodyBuffer() = default;
  BodyBuffer(BodyBuffer&& other) noexcept;
  BodyBuffer& operator=(BodyBuffer&& other) noexcept;

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<char, Free> bytes_;  // grown by realloc(), which moves large blocks without copying them
  size_t size_ = 0;
  size_t room_ = 0;
};

}  // namespace saccade
