#include "kernels/avx512/vec.h"
#include "kernels/simd/fill_leaf.h"

namespace saccade {

void add_avx512(Leaf& leaf) {
  simd::fill_leaf<avx512::Vec>(leaf);
}

}  // namespace saccade
