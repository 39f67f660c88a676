#include "kernels/dequantize.h"

#include <cassert>

#include "kernels/leaf.h"

namespace saccade {

void dequantize_row(DType dtype, const void* source, float* target, int64_t count) {
  assert(count % traits_of(dtype).block_size == 0);
  if (count == 0) return;
  active_leaf().dequantize[static_cast<size_t>(dtype)](static_cast<const std::byte*>(source), target, count);
}

void encode_row(DType dtype, const float* source, std::byte* target, int64_t count) {
  active_leaf().encode[static_cast<size_t>(dtype)](source, target, count);
}

}  // namespace saccade
