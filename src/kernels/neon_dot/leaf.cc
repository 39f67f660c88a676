#include "kernels/neon_dot/vec.h"
#include "kernels/simd/limits.h"
#include "kernels/simd/panels.h"

namespace saccade {

void add_neon_dot(Leaf& leaf) {
  simd::fill_panels<neon_dot::Vec>(leaf);
  leaf.spin[static_cast<size_t>(NumberKind::kInt8)] = simd::spin_int8<neon_dot::Vec>;
}

}  // namespace saccade
