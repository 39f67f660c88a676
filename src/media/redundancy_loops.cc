// Written once, with the compiler's vector types or as loops that it makes vectors of, and compiled as filter_rows.cc
// is. Not for AVX-512: cells are some 84 bytes wide, which wider vectors fit worse.
#include "media/redundancy_loops.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "platform/cpu_features.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace saccade {

namespace {

typedef uint8_t Bytes __attribute__((vector_size(16)));
typedef uint8_t WideBytes __attribute__((vector_size(32)));
typedef int16_t Words __attribute__((vector_size(32)));
typedef uint16_t UnsignedWords __attribute__((vector_size(32)));
typedef uint32_t Ints __attribute__((vector_size(32)));
typedef uint64_t Longs __attribute__((vector_size(32)));

constexpr int kStep = 16;           // values of Words
constexpr int kMaxSteps = 1 << 14;  // for which a lane of Ints holds two squares of 255 each

template <typename Vector, typename Value>
[[gnu::always_inline]] inline void load(const Value* values, Vector& vector) {
  std::memcpy(&vector, values, sizeof(vector));
}

/// What compilers make too many instructions of.
struct PlainSteps {
  static void widen(const uint8_t* values, Words& words) {
    Bytes bytes;
    load(values, bytes);
    words = __builtin_convertvector(bytes, Words);
  }

  /// sums[i] += words[2 i]^2 + words[2 i + 1]^2; words are at most 255 on either side of 0.
  static void add_squares(const Words& words, Ints& sums) {
    const auto factors = (UnsignedWords)words;
    const Ints squares = (Ints)(factors * factors);  // two of 16 bits in each
    sums += (squares & 0xffff) + (squares >> 16);
  }

  /// The greens of four pixels; reads a vector of bytes.
  static void take_greens(const uint8_t* pixels, Longs& greens) {
    greens = Longs{pixels[1], pixels[4], pixels[7], pixels[10]};
  }
};

#if defined(__x86_64__)
struct Avx2Steps {
  [[gnu::target("avx2")]] static void widen(const uint8_t* values, Words& words) {
    words = (Words)_mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
  }
  [[gnu::target("avx2")]] static void add_squares(const Words& words, Ints& sums) {
    sums += (Ints)_mm256_madd_epi16((__m256i)words, (__m256i)words);
  }
  [[gnu::target("avx2")]] static void take_greens(const uint8_t* pixels, Longs& greens) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pixels));
    const __m256i order = _mm256_setr_epi64x(~0xff | 1, ~0xff | 4, ~0xff | 7, ~0xff | 10);  // negative: a zero
    greens = (Longs)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), order);
  }
};
#endif

[[gnu::always_inline]] inline void add_lanes(const Ints& sums, std::array<uint64_t, 4>& lanes) {
  Longs total;
  load(lanes.data(), total);
  total += ((Longs)sums & 0xffffffff) + ((Longs)sums >> 32);
  std::memcpy(lanes.data(), &total, sizeof(total));
}

template <typename Value, typename Term>
[[gnu::always_inline]] inline int64_t squares_of(const Value* values, int count, int largest, const Term& term) {
  const int piece = static_cast<int>((uint32_t{1} << 31) / static_cast<uint32_t>(largest * largest));
  int64_t total = 0;
  for (int begin = 0; begin < count; begin += piece) {
    int32_t sum = 0;
    for (int i = begin; i < std::min(begin + piece, count); ++i) {
      const int16_t x = term(values + i);
      sum += x * x;
    }
    total += sum;
  }
  return total;
}

[[gnu::always_inline]] inline int64_t sum_of(const std::array<uint64_t, 4>& lanes) {
  return static_cast<int64_t>((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
}

template <typename Steps>
[[gnu::always_inline]] inline int64_t sum_of_squares_body(const uint8_t* row, int count) {
  std::array<uint64_t, 4> lanes = {};
  int i = 0;
  while (i + kStep <= count) {
    Ints sums = {};
    for (int step = 0; step < kMaxSteps && i + kStep <= count; ++step, i += kStep) {
      Words x;
      Steps::widen(row + i, x);
      Steps::add_squares(x, sums);
    }
    add_lanes(sums, lanes);
  }
  for (; i < count; ++i) lanes[0] += static_cast<uint64_t>(row[i]) * row[i];
  return sum_of(lanes);
}

[[gnu::always_inline]] inline int64_t count_edges_body(const uint8_t* row, const uint8_t* below, int count) {
  constexpr int kWide = sizeof(WideBytes);
  const int inner = count - 3;  // values with one to the right
  int64_t total = 0;
  int i = 0;
  while (i + kWide <= inner) {
    WideBytes counts = {};
    for (int step = 0; step < 255 && i + kWide <= inner; ++step, i += kWide) {
      WideBytes x;
      WideBytes right;
      WideBytes down;
      load(row + i, x);
      load(row + i + 3, right);
      load(below + i, down);
      const WideBytes across = (x > right ? x : right) - (x < right ? x : right);  // each of these is one instruction
      const WideBytes along = (x > down ? x : down) - (x < down ? x : down);
      const WideBytes largest = across > along ? across : along;
      counts -= (WideBytes)(largest > static_cast<uint8_t>(kEdgeLevels));  // a mask of -1
    }
    for (int lane = 0; lane < kWide; ++lane) total += counts[lane];
  }
  for (; i < count; ++i) {
    const int across = i < inner ? std::abs(row[i] - row[i + 3]) : 0;
    total += std::max(across, std::abs(row[i] - below[i])) > kEdgeLevels ? 1 : 0;
  }
  return total;
}

[[gnu::always_inline]] inline int64_t add_pair_body(const uint8_t* above, const uint8_t* row, int count,
                                                    int16_t* pair) {
  for (int i = 0; i < count; ++i) pair[i] = static_cast<int16_t>(above[i] + row[i]);
  return squares_of(pair, count - 3, 4 * 255, [](const int16_t* x) { return static_cast<int16_t>(x[0] + x[3]); });
}

[[gnu::always_inline]] inline int64_t add_four_body(const int16_t* pair, int count, int16_t* four, int32_t* columns) {
  for (int i = 0; i < count; ++i) four[i] = static_cast<int16_t>(four[i] + pair[i]);
  for (int i = 0; i < count; ++i) columns[i] += four[i];
  return squares_of(four, count - 9, 16 * 255,
                    [](const int16_t* x) { return static_cast<int16_t>(x[0] + x[3] + x[6] + x[9]); });
}

/// sum (a[i] - b[i])^2, of up to kStep * kMaxSteps values.
template <typename Steps>
[[gnu::always_inline]] inline void add_difference(const uint8_t* a, const uint8_t* b, int count,
                                                  std::array<uint64_t, 4>& lanes) {
  // Behind zeros, so that a part of it masks what was counted before.
  static constexpr int16_t kMask[2 * kStep] = {0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
                                               -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  if (count < kStep) {
    for (int i = 0; i < count; ++i) lanes[0] += static_cast<uint64_t>((a[i] - b[i]) * (a[i] - b[i]));
    return;
  }
  Ints sums = {};
  Words x;
  Words y;
  Words difference;
  int i = 0;
  for (; i + kStep <= count; i += kStep) {
    Steps::widen(a + i, x);
    Steps::widen(b + i, y);
    difference = x - y;
    Steps::add_squares(difference, sums);
  }
  if (i < count) {
    Words mask;
    load(kMask + (count - i), mask);
    Steps::widen(a + count - kStep, x);
    Steps::widen(b + count - kStep, y);
    difference = (x - y) & mask;
    Steps::add_squares(difference, sums);
  }
  add_lanes(sums, lanes);
}

template <typename Steps>
[[gnu::always_inline]] inline void add_differences_body(const CellRow& row, CellSums* cells) {
  constexpr int kPiece = kStep * kMaxSteps;
  for (int left = 0; left < row.num_bytes; left += row.cell_bytes, ++cells) {
    const uint8_t* cell = row.pixels + left;
    const int num_right = std::clamp(row.num_bytes - left - row.cell_bytes, 0, row.cell_bytes);
    for (int i = 0; i < num_right; i += kPiece) {
      add_difference<Steps>(cell + i, cell + row.cell_bytes + i, std::min(kPiece, num_right - i), cells->right);
    }
    if (row.below == nullptr) continue;
    const int num_down = std::min(row.cell_bytes, row.num_bytes - left);
    for (int i = 0; i < num_down; i += kPiece) {
      add_difference<Steps>(cell + i, row.below + left + i, std::min(kPiece, num_down - i), cells->down);
    }
  }
}

/// Four greens at a time, each as a 1 in one of 16 counters of 4 bits.
template <typename Steps>
[[gnu::always_inline]] inline void add_greens_body(const CellRow& row, CellSums* cells) {
  constexpr int kBytes = 4 * 3;
  constexpr int kSlack = sizeof(Bytes) - kBytes;
  constexpr int kMaxCount = 15;  // of 4 bits
  for (int left = 0; left < row.num_bytes; left += row.cell_bytes, ++cells) {
    int i = left;
    const int end = std::min(left + row.cell_bytes, row.num_bytes);
    const int last = std::min(end, row.num_readable - kSlack) - kBytes;
    while (i <= last) {
      Longs counts = {};
      for (int step = 0; step < kMaxCount && i <= last; ++step, i += kBytes) {
        Longs greens;
        Steps::take_greens(row.pixels + i, greens);
        counts += Longs{1, 1, 1, 1} << ((greens & 0xf0) >> 2);
      }
      for (size_t odd = 0; odd < 2; ++odd) {
        const Longs of_lane = (odd == 0 ? counts : counts >> 4) & 0x0f0f0f0f0f0f0f0f;
        const uint64_t of_all = (of_lane[0] + of_lane[1]) + (of_lane[2] + of_lane[3]);  // bytes of up to 60
        uint8_t bytes[kEntropyBins / 2];
        std::memcpy(bytes, &of_all, sizeof(bytes));
        for (size_t k = 0; k < std::size(bytes); ++k) cells->greens[odd][k] += bytes[k];
      }
    }
    for (; i < end; i += 3) {
      const auto bin = static_cast<size_t>(row.pixels[i + 1] / (256 / kEntropyBins));
      ++cells->greens[bin % 2][bin / 2];
    }
  }
}

// NOLINTBEGIN(bugprone-macro-parentheses): an attribute cannot stand in parentheses
#define SACCADE_REDUNDANCY_LOOPS(name, target, Steps)                                                  \
  target int64_t sum_of_squares_##name(const uint8_t* row, int count) {                                \
    return sum_of_squares_body<Steps>(row, count);                                                     \
  }                                                                                                    \
  target int64_t count_edges_##name(const uint8_t* row, const uint8_t* below, int count) {             \
    return count_edges_body(row, below, count);                                                        \
  }                                                                                                    \
  target int64_t add_pair_##name(const uint8_t* above, const uint8_t* row, int count, int16_t* pair) { \
    return add_pair_body(above, row, count, pair);                                                     \
  }                                                                                                    \
  target int64_t add_four_##name(const int16_t* pair, int count, int16_t* four, int32_t* columns) {    \
    return add_four_body(pair, count, four, columns);                                                  \
  }                                                                                                    \
  target void add_differences_##name(const CellRow& row, CellSums* cells) {                            \
    add_differences_body<Steps>(row, cells);                                                           \
  }                                                                                                    \
  target void add_greens_##name(const CellRow& row, CellSums* cells) {                                 \
    add_greens_body<Steps>(row, cells);                                                                \
  }                                                                                                    \
  constexpr RedundancyLoops kLoops_##name = {                                                          \
      #name,           sum_of_squares_##name,  count_edges_##name, add_pair_##name,                    \
      add_four_##name, add_differences_##name, add_greens_##name};

SACCADE_REDUNDANCY_LOOPS(baseline, , PlainSteps)
#if defined(__x86_64__)
SACCADE_REDUNDANCY_LOOPS(avx2, [[gnu::target("avx2")]], Avx2Steps)
#endif
// NOLINTEND(bugprone-macro-parentheses)

std::vector<RedundancyLoops> usable_loops() {
  std::vector<RedundancyLoops> loops;
#if defined(__x86_64__)
  if (cpu_features().has_avx2) loops.push_back(kLoops_avx2);
#endif
  loops.push_back(kLoops_baseline);
  return loops;
}

}  // namespace

const std::vector<RedundancyLoops>& redundancy_loops() {
  static const std::vector<RedundancyLoops> kLoops = usable_loops();
  return kLoops;
}

}  // namespace saccade
