#include "kernels/neon/vec.h"
#include "kernels/simd/fill_leaf.h"
#include "kernels/simd/limits.h"
#include "kernels/simd/panels.h"

namespace saccade {

void add_neon(Leaf& leaf) {
  simd::fill_leaf<neon::Vec>(leaf);
  simd::fill_panels<neon::Vec>(leaf);
  leaf.spin[static_cast<size_t>(NumberKind::kF32)] = simd::spin_f32<neon::Vec>;
  leaf.spin[static_cast<size_t>(NumberKind::kInt8)] = simd::spin_int8<neon::Vec>;
  leaf.read_stream = simd::read_stream<neon::Vec>;
}

}  // namespace saccade
