// Eight floats or 32 bytes, with AVX-VNNI beside what avx2/vec.h needs.
#pragma once

#include "kernels/avx2/vec.h"

namespace saccade::avx2_vnni {

struct Vec : avx2::ByteVec<Vec> {
  static constexpr bool kHasVnni = true;

  /// In each 32-bit lane: sums + the dot of four unsigned bytes of w and four signed ones of x.
  static Int dot4(Int sums, Int w, Int x) { return _mm256_dpbusd_avx_epi32(sums, w, x); }
};

}  // namespace saccade::avx2_vnni
