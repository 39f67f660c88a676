#include "kernels/avx2/vec.h"
#include "kernels/simd/fill_leaf.h"

namespace saccade {

void add_avx2(Leaf& leaf) {
  simd::fill_leaf<avx2::Vec>(leaf);
}

}  // namespace saccade
