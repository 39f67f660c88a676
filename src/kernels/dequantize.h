// Rows of any DType to f32 and back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace saccade {

/// `count` is a multiple of the block size. `source` need not be aligned.
void dequantize_row(DType dtype, const void* source, float* target, int64_t count);

/// The fast, active-ISA way of quantize_row for rows of keys and values: kF32, kF16, kQ8_0. Ties in q8_0 are rounded to
/// even.
void encode_row(DType dtype, const float* source, std::byte* target, int64_t count);

/// True for the types quantize_row can write: f32, f16, bf16, q8_0, q4_0.
bool can_quantize_to(DType dtype);

/// Rounds to nearest; blocks and scales as llama.cpp's reference quantiser chooses them (q4_0: the weight of largest
/// magnitude maps to -8).
void quantize_row(DType dtype, const float* source, void* target, int64_t count);

}  // namespace saccade
