#include "kernels/avx512/vec.h"
#include "kernels/simd/fill_leaf.h"
#include "kernels/simd/limits.h"

namespace saccade {

void add_avx512(Leaf& leaf) {
  simd::fill_leaf<avx512::Vec>(leaf);
  leaf.spin[static_cast<size_t>(NumberKind::kF32)] = simd::spin_f32<avx512::Vec>;
}

}  // namespace saccade
