// Compiled for several instruction sets as filter_rows.cc is.
#include "media/byte_difference.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "platform/cpu_features.h"

namespace saccade {

namespace {

typedef uint8_t Bytes __attribute__((vector_size(32)));

constexpr size_t kLanes = 32;

[[gnu::always_inline]] inline void load(const uint8_t* values, Bytes& bytes) {
  std::memcpy(&bytes, values, sizeof(bytes));
}

/// largest = max(largest, |a - b|), lane by lane.
[[gnu::always_inline]] inline void add_difference(const uint8_t* a, const uint8_t* b, Bytes& largest) {
  Bytes x;
  Bytes y;
  load(a, x);
  load(b, y);
  const Bytes difference = (x > y ? x : y) - (x < y ? x : y);  // each of these is one instruction
  largest = difference > largest ? difference : largest;
}

[[gnu::always_inline]] inline int largest_difference_body(const uint8_t* a, const uint8_t* b, size_t count) {
  int result = 0;
  if (count < kLanes) {
    for (size_t i = 0; i < count; ++i) result = std::max(result, std::abs(a[i] - b[i]));
    return result;
  }
  Bytes largest = {};
  for (size_t i = 0; i + kLanes <= count; i += kLanes) add_difference(a + i, b + i, largest);
  add_difference(a + count - kLanes, b + count - kLanes, largest);
  uint64_t parts[4];
  std::memcpy(parts, &largest, sizeof(parts));
  if ((parts[0] | parts[1] | parts[2] | parts[3]) != 0) {
    for (size_t lane = 0; lane < kLanes; ++lane) result = std::max<int>(result, largest[lane]);
  }
  return result;
}

using LargestDifference = int (*)(const uint8_t* a, const uint8_t* b, size_t count);

int largest_difference_baseline(const uint8_t* a, const uint8_t* b, size_t count) {
  return largest_difference_body(a, b, count);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] int largest_difference_avx2(const uint8_t* a, const uint8_t* b, size_t count) {
  return largest_difference_body(a, b, count);
}
#endif

LargestDifference fastest() {
#if defined(__x86_64__)
  if (cpu_features().has_avx2) return largest_difference_avx2;
#endif
  return largest_difference_baseline;
}

}  // namespace

int largest_difference(const uint8_t* a, const uint8_t* b, size_t count) {
  static const LargestDifference kFastest = fastest();
  return kFastest(a, b, count);
}

}  // namespace saccade
