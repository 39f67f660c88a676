// The products with quantised panels (panel_format.h says how they lie, leaf.h what each entry computes), over a vector
// type V of floats and bytes such as avx2::Vec.
//
// All sums of a block are integers: with q' the weights as unsigned bytes and x as signed ones,
//   sum (q' - offset) x = sum q' x - offset * sum x,
// the latter known since x was quantised; it is what the sums start from.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/leaf.h"
#include "kernels/panel_format.h"

namespace saccade::simd {

/// Registers to a group of 64 bytes.
template <typename V>
inline constexpr int kPanelRegs = kPanelRows / V::kLanes;

constexpr int log2_of(int power) {
  int log = 0;
  while (power > 1) {
    power /= 2;
    ++log;
  }
  return log;
}

/// What the bytes are that a product sees: weight = scale * (byte - offset), or scale * byte - min.
struct ByteKind {
  int offset = 0;
  bool has_min = false;
  bool is_signed = false;  // bytes are weights as they are, for vector units that cannot take any unsigned byte
  int scale_groups = 8;
};

/// As they come from a panel.
template <typename V>
constexpr ByteKind panel_kind(const PanelFormat& format) {
  const bool is_signed = format.bits == 8 && !V::kHasVnni;
  return {is_signed ? 0 : format.offset, format.has_min, is_signed, format.scale_groups};
}

/// As expand() writes them: where any byte can be multiplied, all formats with an offset become alike.
template <typename V>
constexpr ByteKind expanded_kind(const PanelFormat& format) {
  ByteKind kind = panel_kind<V>(format);
  if (V::kHasVnni && kind.offset > 0) kind.offset = 128;
  return kind;
}

/// The start of a block's integer sums: -offset * sum(x), from -128 * sum(x).
template <typename V, int offset>
inline typename V::Int start_of(const int32_t* sum) {
  if constexpr (offset == 0) {
    return V::zero_int();
  } else if constexpr (offset == 128) {
    return V::broadcast_int(sum);
  } else {
    return V::template shift_right_int<7 - log2_of(offset)>(V::broadcast_int(sum));
  }
}

template <typename V, bool is_signed>
inline typename V::Int dot4(typename V::Int sums, typename V::Int weights, const int8_t* x) {
  if constexpr (is_signed) {
    return V::dot4_signed(sums, weights, V::broadcast_int(reinterpret_cast<const int32_t*>(x)));
  } else {
    return V::dot4(sums, weights, V::broadcast_int(reinterpret_cast<const int32_t*>(x)));
  }
}

/// Reads a panel of type `dtype`, block after block.
template <typename V, DType dtype>
class PanelReader {
 public:
  using Reg = typename V::Reg;
  using Int = typename V::Int;
  static constexpr PanelFormat kFormat = kPanelFormats[static_cast<size_t>(dtype)];
  static constexpr ByteKind kKind = panel_kind<V>(kFormat);
  static constexpr int kScales = kFormat.scale_groups == 8 ? 1 : 2;  // of a block, for each row

  explicit PanelReader(const std::byte* panel) : super_(panel), pair_(panel + kFormat.super_bytes()) {}

  /// Group `group` of the current block, part `part` of its kPanelRegs<V> registers.
  Int group(int group_idx, int part) const {
    const int at = part * V::kBytes;
    const std::byte* quants = pair_ + 2 * (kFormat.scale_bytes() + kFormat.high_bytes()) + odd_ * kFormat.quant_bytes();
    const std::byte* high = pair_ + 2 * kFormat.scale_bytes() + odd_ * kFormat.high_bytes();
    if constexpr (kFormat.bits == 8) {
      const Int bytes = V::load_int(quants + 64 * group_idx + at);
      return kKind.is_signed ? V::flip_sign_bits(bytes) : bytes;
    } else {
      const Int both = V::load_int(quants + 64 * (group_idx % 4) + at);
      Int low = group_idx < 4 ? V::low_nibbles(both) : V::high_nibbles(both);
      if constexpr (kFormat.bits == 5) low = V::or_16_where(low, high + 8 * group_idx + at / 8);
      if constexpr (kFormat.bits == 6) {
        low = V::or_two_bits(low, V::load_int(high + 64 * (group_idx / 4) + at), group_idx % 4);
      }
      return low;
    }
  }

  /// Scales (kScales of them) and minimums of the current block for the rows of `part`.
  void scales(int part, Reg* scale, Reg& min) const {
    const std::byte* scales = pair_ + odd_ * kFormat.scale_bytes();
    const int first = part * V::kLanes;
    if constexpr (kFormat.is_k_type) {
      const Reg d = V::load_f16(super_ + 2 * first);
      if constexpr (kFormat.has_min) {
        scale[0] = V::mul(d, V::load_u8(scales + first));
        min = V::mul(V::load_f16(super_ + 32 + 2 * first), V::load_u8(scales + 16 + first));
      } else {
        scale[0] = V::mul(d, V::load_i8(scales + first));
        scale[1] = V::mul(d, V::load_i8(scales + 16 + first));
      }
    } else {
      scale[0] = V::load_f16(scales + 2 * first);
      if constexpr (kFormat.has_min) min = V::load_f16(scales + 32 + 2 * first);
    }
  }

  void next_block() {
    odd_ ^= 1;
    if (odd_ != 0) return;
    pair_ += kFormat.pair_bytes();
    if constexpr (kFormat.is_k_type) {
      if (++pair_in_super_ < 4) return;
      pair_in_super_ = 0;
      super_ = pair_;
      pair_ += kFormat.super_bytes();
    }
  }

  /// Asks for the pair that will be read some 2 KB from now, of this panel or of the next, which lies behind it.
  void prefetch() const {
    constexpr int kAhead = 2048;
    if (odd_ != 0) return;
    for (int i = 0; i < kFormat.pair_bytes(); i += 64) __builtin_prefetch(pair_ + kAhead + i);
  }

 private:
  const std::byte* super_;  // the current one's d, for K types
  const std::byte* pair_;   // the current one
  int64_t odd_ = 0;         // 1 in the second block of the pair
  int pair_in_super_ = 0;
};

/// The sums of a tile: `num_rows` rows of x by one panel.
template <typename V, ByteKind kind, int num_rows>
class TileSums {
 public:
  using Reg = typename V::Reg;
  using Int = typename V::Int;
  static constexpr int kRegs = kPanelRegs<V>;

  TileSums(const QuantizedRows& x, int64_t first_row)
      : quad_stride_(x.num_blocks * kQuadRows),
        q_(x.q + first_row * x.num_blocks * kPanelBlock),
        scales_(x.scales + first_row * x.num_blocks),
        scaled_sums_(x.scaled_sums + first_row * x.num_blocks),
        sums_(x.sums + first_row * x.num_blocks),
        half_sums_(x.half_sums + first_row * x.num_blocks * 2) {
    for (int row = 0; row < num_rows; ++row) {
      for (int part = 0; part < kRegs; ++part) totals_[row][part] = V::zero();
    }
  }

  /// Adds scale * the dot of groups [first_group, first_group + scale_groups) of block `block`; load(group, part) gives
  /// their bytes.
  template <typename Load>
  [[gnu::always_inline]] void add_groups(int64_t block, int first_group, const Reg* scale, const Load& load) {
    // The sums of a row wait for one another; with few rows, a second chain of them fills the time.
    constexpr int kChains = num_rows * kRegs <= 2 ? 2 : 1;
    Int dots[kChains][num_rows][kRegs];
#pragma GCC unroll 16
    for (int row = 0; row < num_rows; ++row) {
      const int32_t* start = kind.scale_groups == 8 ? sums_ + at(row, block)
                                                    : half_sums_ + 2 * at(row, block) + (first_group - row % kQuadRows);
#pragma GCC unroll 4
      for (int part = 0; part < kRegs; ++part) {
        dots[0][row][part] = start_of<V, kind.offset>(start);
        if constexpr (kChains > 1) dots[1][row][part] = V::zero_int();
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kind.scale_groups; ++i) {
      Int weights[kRegs];
#pragma GCC unroll 4
      for (int part = 0; part < kRegs; ++part) weights[part] = load(first_group + i, part);
#pragma GCC unroll 16
      for (int row = 0; row < num_rows; ++row) {
        const int8_t* x = q_ + at(row, block) * kPanelBlock + 4 * (first_group + i);
#pragma GCC unroll 4
        for (int part = 0; part < kRegs; ++part) {
          Int& dot = dots[i % kChains][row][part];
          dot = dot4<V, kind.is_signed>(dot, weights[part], x);
        }
      }
    }
#pragma GCC unroll 16
    for (int row = 0; row < num_rows; ++row) {
      const Reg x_scale = V::set(scales_[at(row, block)]);
#pragma GCC unroll 4
      for (int part = 0; part < kRegs; ++part) {
        Int dot = dots[0][row][part];
        if constexpr (kChains > 1) dot = V::add_int(dot, dots[1][row][part]);
        totals_[row][part] = V::mul_add(V::to_float(dot), V::mul(scale[part], x_scale), totals_[row][part]);
      }
    }
  }

  /// Subtracts the minimums times the sums of x.
  [[gnu::always_inline]] void subtract_mins(int64_t block, const Reg* min) {
#pragma GCC unroll 16
    for (int row = 0; row < num_rows; ++row) {
      const Reg sum = V::set(scaled_sums_[at(row, block)]);
#pragma GCC unroll 4
      for (int part = 0; part < kRegs; ++part) {
        totals_[row][part] = V::neg_mul_add(min[part], sum, totals_[row][part]);
      }
    }
  }

  void store(float* tile) const {
    for (int row = 0; row < num_rows; ++row) {
      for (int part = 0; part < kRegs; ++part) {
        V::store(tile + row * kPanelRows + part * V::kLanes, totals_[row][part]);
      }
    }
  }

 private:
  /// Where the numbers of a row's block are, in arrays of four rows by blocks.
  int64_t at(int row, int64_t block) const {
    return row / kQuadRows * quad_stride_ + block * kQuadRows + row % kQuadRows;
  }

  const int64_t quad_stride_;
  const int8_t* q_;
  const float* scales_;
  const float* scaled_sums_;
  const int32_t* sums_;
  const int32_t* half_sums_;
  Reg totals_[num_rows][kRegs];
};

template <typename V, DType dtype>
struct DotPanel {
  using Reg = typename V::Reg;
  using Reader = PanelReader<V, dtype>;
  static constexpr int kRegs = kPanelRegs<V>;

  template <int max_rows = V::kPanelDotRows>
  static void dot_panel(const QuantizedRows& x, int64_t first_row, int num_rows, const std::byte* panel, int64_t k,
                        float* tile) {
    if constexpr (max_rows == V::kPanelDotRows) {
      for (; num_rows > max_rows; num_rows -= max_rows, first_row += max_rows, tile += max_rows * kPanelRows) {
        dot_rows<max_rows>(x, first_row, panel, k, tile);
      }
    }
    if constexpr (max_rows > 1) {
      if (num_rows < max_rows) return dot_panel<max_rows - 1>(x, first_row, num_rows, panel, k, tile);
    }
    dot_rows<max_rows>(x, first_row, panel, k, tile);
  }

 private:
  template <int num_rows>
  static void dot_rows(const QuantizedRows& x, int64_t first_row, const std::byte* panel, int64_t k, float* tile) {
    Reader reader(panel);
    // With many rows, a block takes so long that no core looks far enough ahead by itself.
    const bool asks_ahead = num_rows >= 4 || reads_ahead_by_software();
    TileSums<V, Reader::kKind, num_rows> sums(x, first_row);
    const int64_t num_blocks = k / kPanelBlock;
    for (int64_t block = 0; block < num_blocks; ++block) {
      if (asks_ahead) reader.prefetch();
      Reg scale[2][kRegs];
      Reg min[kRegs];
      for (int part = 0; part < kRegs; ++part) {
        Reg of_part[2];
        reader.scales(part, of_part, min[part]);
        for (int i = 0; i < Reader::kScales; ++i) scale[i][part] = of_part[i];
      }
      const auto load = [&](int group, int part) { return reader.group(group, part); };
#pragma GCC unroll 2
      for (int i = 0; i < Reader::kScales; ++i)
        sums.add_groups(block, i * Reader::kFormat.scale_groups, scale[i], load);
      if constexpr (Reader::kKind.has_min) sums.subtract_mins(block, min);
      reader.next_block();
    }
    sums.store(tile);
  }
};

template <typename V, DType dtype>
void expand_panel(const std::byte* panel, int64_t k, uint8_t* bytes, float* scales, float* mins) {
  using Reader = PanelReader<V, dtype>;
  constexpr int kShift = expanded_kind<V>(Reader::kFormat).offset - Reader::kKind.offset;
  Reader reader(panel);
  for (int64_t block = 0; block < k / kPanelBlock; ++block) {
    for (int part = 0; part < kPanelRegs<V>; ++part) {
      typename V::Reg scale[2];
      typename V::Reg min;
      reader.scales(part, scale, min);
      for (int i = 0; i < Reader::kScales; ++i) V::store(scales + i * kPanelRows + part * V::kLanes, scale[i]);
      if constexpr (Reader::kKind.has_min) V::store(mins + part * V::kLanes, min);
#pragma GCC unroll 8
      for (int group = 0; group < 8; ++group) {
        typename V::Int q = reader.group(group, part);
        if constexpr (kShift != 0) q = V::add_bytes(q, static_cast<int8_t>(kShift));
        V::store_int(bytes + 64 * group + part * V::kBytes, q);
      }
    }
    reader.next_block();
    bytes += 512;
    scales += Reader::kScales * kPanelRows;
    mins += kPanelRows;
  }
}

template <typename V, ByteKind kind>
struct U8Gemm {
  using Reg = typename V::Reg;
  static constexpr int kRegs = kPanelRegs<V>;
  static constexpr int kScales = 8 / kind.scale_groups;

  template <int max_rows = V::kPanelTileRows>
  static void u8_tile(const QuantizedRows& x, int64_t first_row, int num_rows, const uint8_t* bytes,
                      const float* scales, const float* mins, int64_t k, float* tile) {
    if constexpr (max_rows > 1) {
      if (num_rows < max_rows) return u8_tile<max_rows - 1>(x, first_row, num_rows, bytes, scales, mins, k, tile);
    }
    multiply<max_rows>(x, first_row, bytes, scales, mins, k, tile);
  }

 private:
  template <int num_rows>
  static void multiply(const QuantizedRows& x, int64_t first_row, const uint8_t* bytes, const float* scales,
                       const float* mins, int64_t k, float* tile) {
    TileSums<V, kind, num_rows> sums(x, first_row);
    const int64_t num_blocks = k / kPanelBlock;
    for (int64_t block = 0; block < num_blocks; ++block) {
      const auto load = [&](int group, int part) { return V::load_int(bytes + 64 * group + part * V::kBytes); };
#pragma GCC unroll 2
      for (int i = 0; i < kScales; ++i) {
        Reg scale[kRegs];
        for (int part = 0; part < kRegs; ++part) scale[part] = V::load(scales + i * kPanelRows + part * V::kLanes);
        sums.add_groups(block, i * kind.scale_groups, scale, load);
      }
      if constexpr (kind.has_min) {
        Reg min[kRegs];
        for (int part = 0; part < kRegs; ++part) min[part] = V::load(mins + part * V::kLanes);
        sums.subtract_mins(block, min);
      }
      bytes += 512;
      scales += kScales * kPanelRows;
      mins += kPanelRows;
    }
    sums.store(tile);
  }
};

template <typename V>
struct RowQuantizer {
  using Reg = typename V::Reg;
  static constexpr int kRegs = kPanelBlock / V::kLanes;

  static void quantize_row(const float* x, int64_t row, const QuantizedRows& rows) {
    Reg check = V::zero();  // becomes NaN if anything is
    const int64_t first = row / kQuadRows * rows.num_blocks * kQuadRows + row % kQuadRows;
    for (int64_t block = 0; block < rows.num_blocks; ++block) {
      Reg values[kRegs];
      Reg largest = V::zero();
      for (int i = 0; i < kRegs; ++i) {
        values[i] = V::load(x + block * kPanelBlock + i * V::kLanes);
        check = V::add(check, values[i]);
        largest = V::max(V::max(values[i], V::sub(V::zero(), values[i])), largest);
      }
      const float max = V::reduce_max(largest);
      const Reg factor = V::set(max > 0 ? 127.0f / max : 0.0f);
      for (int i = 0; i < kRegs; ++i) values[i] = V::mul(values[i], factor);
      const int64_t at = first + block * kQuadRows;
      int8_t* q = rows.q + at * kPanelBlock;
      V::store_32_i8(q, values);
      int32_t halves[2];
      V::sum_halves(q, halves);
      rows.scales[at] = max / 127.0f;
      rows.scaled_sums[at] = rows.scales[at] * static_cast<float>(halves[0] + halves[1]);
      rows.sums[at] = -128 * (halves[0] + halves[1]);
      int32_t* half_sums = rows.half_sums + 2 * at - row % kQuadRows;
      half_sums[0] = -128 * halves[0];
      half_sums[kQuadRows] = -128 * halves[1];
    }
    const float checked = V::reduce_add(check);
    if (!(checked - checked == 0)) rows.scales[first] = checked - checked;
  }
};

template <typename V, DType dtype>
void fill_panel_dtype(Leaf& leaf) {
  constexpr auto kIdx = static_cast<size_t>(dtype);
  leaf.dot_panel[kIdx] = [](const QuantizedRows& x, int64_t first_row, int num_rows, const std::byte* panel, int64_t k,
                            float* tile) { DotPanel<V, dtype>::dot_panel(x, first_row, num_rows, panel, k, tile); };
  leaf.expand_panel[kIdx] = expand_panel<V, dtype>;
  using Gemm8 = U8Gemm<V, expanded_kind<V>(kPanelFormats[kIdx])>;
  leaf.u8_tile[kIdx] = [](const QuantizedRows& x, int64_t first_row, int num_rows, const uint8_t* bytes,
                          const float* scales, const float* mins, int64_t k,
                          float* tile) { Gemm8::u8_tile(x, first_row, num_rows, bytes, scales, mins, k, tile); };
}

/// Blocks of q8_0 as rows of keys and values are kept in.
template <typename V>
void encode_q8_0(const float* source, std::byte* target, int64_t count) {
  constexpr int kRegs = kPanelBlock / V::kLanes;
  constexpr int kBlockBytes = 34;
  for (int64_t i = 0; i < count; i += kPanelBlock, target += kBlockBytes) {
    typename V::Reg values[kRegs];
    typename V::Reg largest = V::zero();
    for (int j = 0; j < kRegs; ++j) {
      values[j] = V::load(source + i + j * V::kLanes);
      largest = V::max(V::max(values[j], V::sub(V::zero(), values[j])), largest);
    }
    const float max = V::reduce_max(largest);
    const auto factor = V::set(max > 0 ? 127.0f / max : 0.0f);
    for (int j = 0; j < kRegs; ++j) values[j] = V::mul(values[j], factor);
    const uint16_t scale = V::f32_to_f16(max / 127.0f);
    __builtin_memcpy(target, &scale, sizeof scale);
    V::store_32_i8(reinterpret_cast<int8_t*>(target + 2), values);
  }
}

/// The entries of a Leaf for quantised panels.
template <typename V>
void fill_panels(Leaf& leaf) {
  leaf.quantize_row = RowQuantizer<V>::quantize_row;
  leaf.encode[static_cast<size_t>(DType::kQ8_0)] = encode_q8_0<V>;
  leaf.u8_tile_rows = V::kPanelTileRows;
  fill_panel_dtype<V, DType::kQ8_0>(leaf);
  fill_panel_dtype<V, DType::kQ4_0>(leaf);
  fill_panel_dtype<V, DType::kQ4_1>(leaf);
  fill_panel_dtype<V, DType::kQ5_0>(leaf);
  fill_panel_dtype<V, DType::kQ5_1>(leaf);
  fill_panel_dtype<V, DType::kQ4_K>(leaf);
  fill_panel_dtype<V, DType::kQ5_K>(leaf);
  fill_panel_dtype<V, DType::kQ6_K>(leaf);
}

}  // namespace saccade::simd
