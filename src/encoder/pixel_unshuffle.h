// Idefics3's pixel-unshuffle: every `factor` x `factor` square of patches becomes one wider row.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace saccade {

/// patches [num_tiles * side * side, dim] to [num_tiles * (side / factor)^2, factor * factor * dim]; within a row the
/// square's patches follow each other row by row. `factor` divides `side`.
Tensor pixel_unshuffle(const Tensor& patches, int64_t side, int64_t factor);

}  // namespace saccade
