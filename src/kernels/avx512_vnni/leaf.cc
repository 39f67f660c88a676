#include "kernels/avx512_vnni/vec.h"
#include "kernels/simd/panels.h"

namespace saccade {

void add_avx512_vnni(Leaf& leaf) {
  simd::fill_panels<avx512_vnni::Vec>(leaf);
}

}  // namespace saccade
