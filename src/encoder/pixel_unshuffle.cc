#include "encoder/pixel_unshuffle.h"

#include <algorithm>
#include <cassert>

namespace saccade {

Tensor pixel_unshuffle(const Tensor& patches, int64_t side, int64_t factor) {
  assert(side % factor == 0);
  const int64_t dim = patches.shape()[1];
  const int64_t num_tiles = patches.shape()[0] / (side * side);
  const int64_t new_side = side / factor;
  Tensor merged(Shape{num_tiles * new_side * new_side, factor * factor * dim});
  float* target = merged.floats().data();
  for (int64_t tile = 0; tile < num_tiles; ++tile) {
    for (int64_t y = 0; y < new_side; ++y) {
      for (int64_t x = 0; x < new_side; ++x) {
        // `factor` patches that are neighbours in a row of the tile lie next to each other in memory.
        for (int64_t dy = 0; dy < factor; ++dy) {
          const int64_t first_patch = (tile * side + y * factor + dy) * side + x * factor;
          target = std::copy_n(patches.row(first_patch).data(), factor * dim, target);
        }
      }
    }
  }
  return merged;
}

}  // namespace saccade
