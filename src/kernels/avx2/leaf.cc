#include "kernels/avx2/vec.h"
#include "kernels/simd/fill_leaf.h"
#include "kernels/simd/panels.h"

namespace saccade {

void add_avx2(Leaf& leaf) {
  simd::fill_leaf<avx2::Vec>(leaf);
  simd::fill_panels<avx2::Vec>(leaf);
}

}  // namespace saccade
