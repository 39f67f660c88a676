// How packed weights lie in memory: panels of 16 weight rows, so that one vector register holds a step of the inner
// dimension for 16 outputs, and a product reads memory as one stream from front to back.
//
// The values of a panel keep the bits of the file. Four successive weights of a row are four bytes of one 32-bit lane;
// "group" g of a block of 32 is weights 4g .. 4g + 3 of all 16 rows: 64 bytes, row c at byte 4c. That is the shape that
// AVX-512 VNNI multiplies, two AVX2 registers, and, 16 groups on end, a tile of AMX. Blocks come in pairs, so that all
// parts begin on a cache line; the last of an odd number is followed by zeros. A pair is
//
//   scales   for each of its two blocks 16 f16 scales, then, in types with a minimum, 16 f16 minimums
//            (weight = scale * q - min). K types: 16 scale bytes, then (Q4_K, Q5_K) 16 minimum bytes or (Q6_K) 16
//            signed scales of the block's second half; in front of each four pairs, 16 f16 d and 16 f16 dmin (Q6_K:
//            zeros).
//   high     for each block, 5-bit types: for each group 64 bits, bit 4c + t being the fifth bit of row c's weight t.
//            6-bit types: 2 x 64 bytes; byte j of 64 * h + j holds bits 4 and 5 of groups 4h .. 4h + 3, two bits each.
//   quants   for each block, 8-bit types: the 8 groups, 64 bytes each, as value + 128.
//            Smaller types: 4 x 64 bytes; byte j of 64 * i + j holds the low four bits of group i in its low half, of
//            group i + 4 in its high half.
//
// 16-bit floats are bf16 pairs: for each two of k, 16 rows of two successive weights.
#pragma once

#include <array>
#include <cstdint>

#include "tensor/dtype.h"

namespace saccade {

inline constexpr int kPanelRows = 16;   // weight rows: columns of y
inline constexpr int kPanelBlock = 32;  // weights of a row in a block

struct PanelFormat {
  int bits = 0;            // of a quantised value; 16 for bf16; 0 for types that are not packed
  int offset = 0;          // weight = scale * (q - offset)
  bool has_min = false;    // weight = scale * q - min
  bool is_k_type = false;  // scales are bytes times one f16 for 256 weights
  int scale_groups = 8;    // groups of four weights that share a scale

  constexpr bool is_quantized() const { return bits > 0 && bits < 16; }

  // Bytes of the parts of a block.
  constexpr int scale_bytes() const { return has_min && !is_k_type ? 64 : 32; }
  constexpr int high_bytes() const { return bits == 5 ? 64 : bits == 6 ? 128 : 0; }
  constexpr int quant_bytes() const { return bits == 8 ? 512 : 256; }
  constexpr int pair_bytes() const { return 2 * (scale_bytes() + high_bytes() + quant_bytes()); }
  constexpr int super_bytes() const { return is_k_type ? 64 : 0; }  // in front of four pairs

  // Where they begin in a panel.
  constexpr int64_t super_at(int64_t block) const { return block / 8 * (super_bytes() + 4 * pair_bytes()); }
  constexpr int64_t pair_at(int64_t block) const {
    if (!is_k_type) return block / 2 * pair_bytes();
    return super_at(block) + super_bytes() + block % 8 / 2 * pair_bytes();
  }
  constexpr int64_t scales_at(int64_t block) const { return pair_at(block) + block % 2 * scale_bytes(); }
  constexpr int64_t high_at(int64_t block) const {
    return pair_at(block) + 2 * scale_bytes() + block % 2 * high_bytes();
  }
  constexpr int64_t quants_at(int64_t block) const {
    return pair_at(block) + 2 * (scale_bytes() + high_bytes()) + block % 2 * quant_bytes();
  }

  /// Bytes of one panel; `k` is a multiple of 32 (of 256 for K types).
  constexpr int64_t panel_bytes(int64_t k) const {
    if (bits == 16) return k * kPanelRows * 2;
    const int64_t num_blocks = k / kPanelBlock;
    return is_k_type ? super_at(num_blocks) : pair_at(num_blocks + 1);
  }
};

/// By DType; kF16 is packed as bf16.
inline constexpr std::array<PanelFormat, kNumDTypes> kPanelFormats = {{
    {},                                                               // f32
    {.bits = 16},                                                     // f16
    {.bits = 16},                                                     // bf16
    {.bits = 8, .offset = 128},                                       // q8_0
    {.bits = 4, .offset = 8},                                         // q4_0
    {.bits = 4, .has_min = true},                                     // q4_1
    {.bits = 5, .offset = 16},                                        // q5_0
    {.bits = 5, .has_min = true},                                     // q5_1
    {.bits = 4, .has_min = true, .is_k_type = true},                  // q4_k
    {.bits = 5, .has_min = true, .is_k_type = true},                  // q5_k
    {.bits = 6, .offset = 32, .is_k_type = true, .scale_groups = 4},  // q6_k
}};

constexpr const PanelFormat& panel_format_of(DType dtype) {
  return kPanelFormats[static_cast<size_t>(dtype)];
}

}  // namespace saccade
