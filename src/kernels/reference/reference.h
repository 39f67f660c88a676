// The plain C++ versions that every leaf is measured against, and that run where no leaf does.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace saccade::reference {

/// A row of `count` weights to f32, exactly as ggml defines each block type.
template <DType dtype>
void dequantize(const std::byte* source, float* target, int64_t count);

/// x = x / 2 * erfc(-x / sqrt(2)), in place.
void gelu(float* x, int64_t count);

}  // namespace saccade::reference
