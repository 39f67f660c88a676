// Learnt positions for a grid of patches of another size than the one they were learnt for.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace saccade {

/// positions [side * side, dim], row by row, as [new_side * new_side, dim]: bicubic (a = -0.75), half-pixel centres, no
/// antialiasing, borders repeated; what torch's interpolate(mode="bicubic", align_corners=False) gives, and
/// Transformers for CLIP and SigLIP with interpolate_pos_encoding.
Tensor interpolate_positions(const Tensor& positions, int64_t side, int64_t new_side);

}  // namespace saccade
