#include "kernels/avx2_vnni/vec.h"
#include "kernels/simd/limits.h"
#include "kernels/simd/panels.h"

namespace saccade {

void add_avx2_vnni(Leaf& leaf) {
  simd::fill_panels<avx2_vnni::Vec>(leaf);
  leaf.spin[static_cast<size_t>(NumberKind::kInt8)] = simd::spin_int8<avx2_vnni::Vec>;
}

}  // namespace saccade
