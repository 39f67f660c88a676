#include "media/byte_difference.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace saccade {

namespace {

// The compiler's vectors, of the width that every machine has: the loop waits for memory.
typedef uint8_t Bytes __attribute__((vector_size(16)));

constexpr size_t kLanes = 16;

}  // namespace

int largest_difference(const uint8_t* a, const uint8_t* b, size_t count) {
  Bytes largest = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Bytes x;
    Bytes y;
    std::memcpy(&x, a + i, sizeof(x));
    std::memcpy(&y, b + i, sizeof(y));
    const Bytes high = x > y ? x : y;  // each of these is one instruction
    const Bytes low = x < y ? x : y;
    const Bytes difference = high - low;
    largest = difference > largest ? difference : largest;
  }
  uint64_t halves[2];
  std::memcpy(halves, &largest, sizeof(halves));
  int result = 0;
  if ((halves[0] | halves[1]) != 0) {
    for (size_t lane = 0; lane < kLanes; ++lane) result = std::max<int>(result, largest[lane]);
  }
  for (; i < count; ++i) result = std::max(result, std::abs(a[i] - b[i]));
  return result;
}

}  // namespace saccade
