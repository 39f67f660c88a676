#include "kernels/avx2/vec.h"
#include "kernels/simd/fill_leaf.h"
#include "kernels/simd/limits.h"
#include "kernels/simd/panels.h"

namespace saccade {

void add_avx2(Leaf& leaf) {
  simd::fill_leaf<avx2::Vec>(leaf);
  simd::fill_panels<avx2::Vec>(leaf);
  leaf.spin[static_cast<size_t>(NumberKind::kF32)] = simd::spin_f32<avx2::Vec>;
  leaf.spin[static_cast<size_t>(NumberKind::kInt8)] = simd::spin_int8<avx2::Vec>;
  leaf.read_stream = simd::read_stream<avx2::Vec>;
}

}  // namespace saccade
