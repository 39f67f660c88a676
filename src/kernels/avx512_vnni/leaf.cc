#include "kernels/avx512_vnni/vec.h"
#include "kernels/simd/limits.h"
#include "kernels/simd/panels.h"

namespace saccade {

void add_avx512_vnni(Leaf& leaf) {
  simd::fill_panels<avx512_vnni::Vec>(leaf);
  leaf.spin[static_cast<size_t>(NumberKind::kInt8)] = simd::spin_int8<avx512_vnni::Vec>;
  leaf.read_stream = simd::read_stream<avx512_vnni::Vec>;
}

}  // namespace saccade
