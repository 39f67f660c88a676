#include "media/filter_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace saccade {
namespace {

/// Random taps over `width` positions, some of them with a share of padding.
Pass random_pass(int width, int num_outputs, std::mt19937& random) {
  Pass pass;
  for (int i = 0; i < num_outputs; ++i) {
    Taps taps;
    taps.count = static_cast<int>(random() % static_cast<unsigned>(std::min(width, 21) + 1));
    taps.first = static_cast<int>(random() % static_cast<unsigned>(width - taps.count + 1));
    taps.weights = pass.weights.size();
    for (int k = 0; k < taps.count; ++k) {
      pass.weights.push_back(static_cast<int32_t>(random() % (1u << 19)) - (1 << 17));
    }
    if (random() % 2 == 0) taps.padding_weight = static_cast<int32_t>(random() % (1u << 20));
    pass.taps.push_back(taps);
  }
  return pass;
}

std::vector<uint8_t> random_bytes(size_t count, std::mt19937& random) {
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

/// The definition of both passes, for one value.
int filtered(const Taps& taps, const int32_t* weights, const uint8_t* values, size_t stride, int padding) {
  int64_t sum = (1 << (kPrecisionBits - 1)) + int64_t{padding} * taps.padding_weight;
  for (int i = 0; i < taps.count; ++i) sum += int64_t{values[static_cast<size_t>(i) * stride]} * weights[i];
  return static_cast<int>(std::clamp<int64_t>(sum >> kPrecisionBits, 0, 255));
}

TEST(RowFilters, AcrossIsItsDefinitionOnEveryInstructionSet) {
  std::mt19937 random(3);
  for (const int width : {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 33, 100}) {
    const size_t row_bytes = static_cast<size_t>(width) * 3;
    for (int num_rows = 1; num_rows <= kRowGroup; ++num_rows) {
      const Pass pass = random_pass(width, 37, random);
      const std::vector<uint8_t> pixels = random_bytes(row_bytes * kRowGroup, random);
      const std::vector<uint8_t> paddings = random_bytes(size_t{3} * kRowGroup, random);
      for (const RowFilters& filters : row_filters()) {
        std::vector<std::vector<uint8_t>> results(kRowGroup, std::vector<uint8_t>(37 * 3 + kRowSlack));
        const uint8_t* rows[kRowGroup];
        uint8_t* out[kRowGroup];
        Color colors[kRowGroup];
        for (size_t r = 0; r < kRowGroup; ++r) {
          rows[r] = pixels.data() + r * row_bytes;
          out[r] = results[r].data();
          colors[r] = {paddings[3 * r], paddings[3 * r + 1], paddings[3 * r + 2]};
        }
        std::vector<int32_t> scratch(across_scratch_size(width));
        filters.across(WidePass(pass), num_rows, width, rows, colors, out, scratch.data());
        for (size_t i = 0; i < static_cast<size_t>(num_rows) * 37 * 3; ++i) {
          const size_t r = i / (37 * 3);
          const size_t c = i % 3;
          const Taps& taps = pass.taps[i / 3 % 37];
          const uint8_t* values = rows[r] + static_cast<size_t>(taps.first) * 3 + c;
          ASSERT_EQ(results[r][i % (37 * 3)],
                    filtered(taps, pass.weights.data() + taps.weights, values, 3, colors[r][c]))
              << filters.isa << ", width " << width << ", row " << r << " of " << num_rows;
        }
      }
    }
  }
}

TEST(RowFilters, DownIsItsDefinitionOnEveryInstructionSet) {
  std::mt19937 random(4);
  constexpr int kHeight = 30;
  for (const size_t num_bytes : {1u, 3u, 31u, 32u, 33u, 64u, 100u}) {
    const size_t stride = num_bytes + 5;
    const Pass pass = random_pass(kHeight, 20, random);
    const std::vector<uint8_t> pixels = random_bytes(stride * kHeight, random);
    const std::vector<uint8_t> padding = random_bytes(num_bytes, random);
    for (const RowFilters& filters : row_filters()) {
      for (const Taps& taps : pass.taps) {
        const int32_t* weights = pass.weights.data() + taps.weights;
        const uint8_t* rows = pixels.data() + static_cast<size_t>(taps.first) * stride;
        std::vector<uint8_t> out(num_bytes);
        filters.down(taps, weights, rows, stride, padding.data(), num_bytes, out.data());
        for (size_t x = 0; x < num_bytes; ++x) {
          ASSERT_EQ(out[x], filtered(taps, weights, rows + x, stride, padding[x])) << filters.isa << ", byte " << x;
        }
      }
    }
  }
}

}  // namespace
}  // namespace saccade
