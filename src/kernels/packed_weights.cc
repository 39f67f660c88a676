#include "kernels/packed_weights.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

#include "kernels/dequantize.h"
#include "kernels/half.h"
#include "kernels/leaf.h"
#include "platform/huge_buffer.h"

namespace saccade {
namespace {

using Quants = uint8_t[kPanelBlock];  // the values of 32 successive weights of a row, without their scales

uint32_t load_u32(const uint8_t* source) {
  uint32_t value;
  std::memcpy(&value, source, sizeof value);
  return value;
}

void put_u16(std::byte* target, uint16_t value) {
  std::memcpy(target, &value, sizeof value);
}

uint16_t load_u16(const uint8_t* source) {
  uint16_t value;
  std::memcpy(&value, source, sizeof value);
  return value;
}

void split_nibbles(const uint8_t* source, Quants& q) {
  for (int i = 0; i < 16; ++i) {
    q[i] = source[i] & 15;
    q[i + 16] = source[i] >> 4;
  }
}

void add_fifth_bits(const uint8_t* source, Quants& q) {
  const uint32_t bits = load_u32(source);
  for (int i = 0; i < kPanelBlock; ++i) q[i] = static_cast<uint8_t>(q[i] | ((bits >> i & 1) << 4));
}

/// Run `run` (32 weights) of 4-bit values of which each 32 bytes hold two runs.
void k_nibbles(const uint8_t* source, int run, Quants& q) {
  const uint8_t* bytes = source + run / 2 * 32;
  const int shift = run % 2 * 4;
  for (int i = 0; i < kPanelBlock; ++i) q[i] = bytes[i] >> shift & 15;
}

/// The six-bit scale and minimum of a run of Q4_K and Q5_K.
void k_scales(const uint8_t* packed, int run, uint8_t& scale, uint8_t& minimum) {
  if (run < 4) {
    scale = packed[run] & 63;
    minimum = packed[run + 4] & 63;
  } else {
    scale = static_cast<uint8_t>((packed[run + 4] & 15) | (packed[run - 4] >> 6 << 4));
    minimum = static_cast<uint8_t>((packed[run + 4] >> 4) | (packed[run] >> 6 << 4));
  }
}

/// Writes one block of one row (its `lane` of 16) into a panel.
class BlockPacker {
 public:
  BlockPacker(std::byte* panel, const PanelFormat& format, int lane) : panel_(panel), format_(format), lane_(lane) {}

  void put_quants(int64_t block, const Quants& q) {
    std::byte* target = panel_ + format_.quants_at(block) + 4 * lane_;
    if (format_.bits == 8) {
      for (int group = 0; group < 8; ++group) std::memcpy(target + 64 * group, q + 4 * group, 4);
      return;
    }
    for (int i = 0; i < 4; ++i) {
      const uint32_t low = load_u32(q + 4 * i) & 0x0f0f0f0fu;
      const uint32_t high = load_u32(q + 4 * i + 16) & 0x0f0f0f0fu;
      const uint32_t both = low | high << 4;
      std::memcpy(target + 64 * i, &both, 4);
    }
    std::byte* high = panel_ + format_.high_at(block);
    if (format_.bits == 5) put_fifth_bits(high, q);
    if (format_.bits == 6) put_two_high_bits(high + 4 * lane_, q);
  }

  /// The f16 scale, and -minimum where the format has one, of a type that is not a K type.
  void put_scale(int64_t block, uint16_t scale, uint16_t minimum = 0) {
    std::byte* target = panel_ + format_.scales_at(block) + 2 * lane_;
    put_u16(target, scale);
    if (format_.has_min) put_u16(target + 32, minimum);
  }

  void put_super_scale(int64_t super, uint16_t d, uint16_t dmin = 0) {
    std::byte* target = panel_ + format_.super_at(8 * super) + 2 * lane_;
    put_u16(target, d);
    if (format_.has_min) put_u16(target + 32, dmin);
  }

  void put_byte_scales(int64_t block, uint8_t first, uint8_t second) {
    std::byte* target = panel_ + format_.scales_at(block) + lane_;
    target[0] = static_cast<std::byte>(first);
    target[16] = static_cast<std::byte>(second);
  }

 private:
  void put_fifth_bits(std::byte* target, const Quants& q) const {
    for (int group = 0; group < 8; ++group) {
      unsigned nibble = 0;
      for (int t = 0; t < 4; ++t) nibble |= static_cast<unsigned>(q[4 * group + t] >> 4 & 1) << t;
      target[8 * group + lane_ / 2] |= static_cast<std::byte>(nibble << (lane_ % 2 * 4));
    }
  }

  static void put_two_high_bits(std::byte* target, const Quants& q) {
    for (int group = 0; group < 8; ++group) {
      for (int t = 0; t < 4; ++t) {
        target[64 * (group / 4) + t] |= static_cast<std::byte>((q[4 * group + t] >> 4 & 3) << (group % 4 * 2));
      }
    }
  }

  std::byte* panel_;
  const PanelFormat& format_;
  int lane_;
};

void pack_legacy_block(DType dtype, const uint8_t* source, int64_t block, BlockPacker& packer) {
  constexpr uint16_t kSign = 0x8000;  // a file's offset is our -minimum
  Quants q;
  switch (dtype) {
    case DType::kQ8_0:
      for (int i = 0; i < kPanelBlock; ++i) q[i] = source[2 + i] ^ 0x80;
      packer.put_scale(block, load_u16(source));
      break;
    case DType::kQ4_0:
      split_nibbles(source + 2, q);
      packer.put_scale(block, load_u16(source));
      break;
    case DType::kQ4_1:
      split_nibbles(source + 4, q);
      packer.put_scale(block, load_u16(source), load_u16(source + 2) ^ kSign);
      break;
    case DType::kQ5_0:
      split_nibbles(source + 6, q);
      add_fifth_bits(source + 2, q);
      packer.put_scale(block, load_u16(source));
      break;
    default:  // kQ5_1
      split_nibbles(source + 8, q);
      add_fifth_bits(source + 4, q);
      packer.put_scale(block, load_u16(source), load_u16(source + 2) ^ kSign);
      break;
  }
  packer.put_quants(block, q);
}

void pack_k_run(DType dtype, const uint8_t* source, int run, int64_t block, BlockPacker& packer) {
  Quants q;
  if (dtype == DType::kQ6_K) {
    const uint8_t* low = source + run / 4 * 64 + run % 2 * 32;
    const uint8_t* high = source + 128 + run / 4 * 32;
    const int low_shift = run % 4 >= 2 ? 4 : 0;
    const int high_shift = run % 4 * 2;
    for (int i = 0; i < kPanelBlock; ++i) {
      q[i] = static_cast<uint8_t>((low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4);
    }
    packer.put_byte_scales(block, source[192 + 2 * run], source[192 + 2 * run + 1]);
  } else {
    const bool has_fifth = dtype == DType::kQ5_K;
    k_nibbles(source + (has_fifth ? 48 : 16), run, q);
    if (has_fifth) {
      for (int i = 0; i < kPanelBlock; ++i) q[i] = static_cast<uint8_t>(q[i] | (source[16 + i] >> run & 1) << 4);
    }
    uint8_t scale, minimum;
    k_scales(source + 4, run, scale, minimum);
    packer.put_byte_scales(block, scale, minimum);
  }
  packer.put_quants(block, q);
}

void pack_quantized_row(DType dtype, const uint8_t* row, int64_t k, BlockPacker packer) {
  const DTypeTraits& traits = traits_of(dtype);
  const int64_t num_blocks = k / traits.block_size;
  for (int64_t i = 0; i < num_blocks; ++i, row += traits.block_bytes) {
    if (traits.block_size == kPanelBlock) {
      pack_legacy_block(dtype, row, i, packer);
      continue;
    }
    const bool is_6_bit = dtype == DType::kQ6_K;
    packer.put_super_scale(i, load_u16(row + (is_6_bit ? 208 : 0)), is_6_bit ? uint16_t{0} : load_u16(row + 2));
    for (int run = 0; run < 8; ++run) pack_k_run(dtype, row, run, 8 * i + run, packer);
  }
}

/// Row `lane` of a panel of bf16 pairs.
void pack_bf16_row(DType dtype, const std::byte* row, int64_t k, int lane, std::byte* panel) {
  constexpr int64_t kRun = 256;
  float values[kRun];
  for (int64_t first = 0; first < k; first += kRun) {
    const int64_t count = std::min(kRun, k - first);
    dequantize_row(dtype, row + 2 * first, values, count);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = first + i;
      put_u16(panel + (at / 2 * kPanelRows + lane) * 4 + at % 2 * 2, f32_to_bf16(values[i]));
    }
  }
}

/// Of all models of the process.
HugeArena& panel_arena() {
  static HugeArena arena;
  return arena;
}

}  // namespace

bool PackedWeights::can_pack(const TensorView& weight) {
  const PanelFormat& format = panel_format_of(weight.dtype);
  if (format.bits == 0 || weight.shape.num_elements() == 0) return false;
  const Leaf& leaf = active_leaf();
  return format.is_quantized() ? leaf.dot_panel[static_cast<size_t>(weight.dtype)] != nullptr
                               : leaf.bf16_tile != nullptr;
}

PackedWeights PackedWeights::pack(ThreadPool& pool, const TensorView& weight) {
  assert(can_pack(weight));
  PackedWeights packed;
  packed.dtype_ = weight.dtype;
  packed.n_ = weight.shape.num_rows();
  packed.k_ = weight.shape.row_size();
  packed.padded_k_ = (packed.k_ + kPanelBlock - 1) / kPanelBlock * kPanelBlock;
  packed.panels_ = panel_arena().take(packed.num_bytes());
  const PanelFormat& format = packed.format();
  const int64_t panel_bytes = format.panel_bytes(packed.padded_k_);
  pool.parallel_for(packed.num_panels(), 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t idx = begin; idx < end; ++idx) {
      std::byte* panel = packed.panels_.get() + idx * panel_bytes;
      for (int lane = 0; lane < kPanelRows && idx * kPanelRows + lane < packed.n_; ++lane) {
        const std::byte* row = weight.row(idx * kPanelRows + lane);
        if (format.is_quantized()) {
          pack_quantized_row(weight.dtype, reinterpret_cast<const uint8_t*>(row), packed.k_,
                             BlockPacker(panel, format, lane));
        } else {
          pack_bf16_row(weight.dtype, row, packed.k_, lane, panel);
        }
      }
    }
  });
  return packed;
}

}  // namespace saccade
