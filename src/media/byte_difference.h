// The inner loop of comparing pixels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace saccade {

/// max |a[i] - b[i]| of `count` bytes; 0 of none.
int largest_difference(const uint8_t* a, const uint8_t* b, size_t count);

}  // namespace saccade
