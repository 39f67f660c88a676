// Four floats or 16 bytes, with the dot products of Armv8.2 (sdot) beside what neon/vec.h needs.
#pragma once

#include "kernels/neon/vec.h"

namespace saccade::neon_dot {

struct Vec : neon::ByteVec<Vec> {
  /// In each 32-bit lane: sums + the dot of four signed bytes of w and four of x.
  static Int dot4_signed(Int sums, Int w, Int x) {
    return vreinterpretq_u8_s32(vdotq_s32(vreinterpretq_s32_u8(sums), vreinterpretq_s8_u8(w), vreinterpretq_s8_u8(x)));
  }
};

}  // namespace saccade::neon_dot
