// The plain C++ decoders of every weight type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace saccade::reference {

/// A row of `count` weights to f32, exactly as ggml defines each block type.
template <DType dtype>
void dequantize(const std::byte* source, float* target, int64_t count);

}  // namespace saccade::reference
