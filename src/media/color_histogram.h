// The colour that most of some pixels have, or nearly have.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "media/filter_rows.h"

namespace saccade {

/// Counts pixels in 4096 coarse colours, of 16 levels of each channel.
class ColorHistogram {
 public:
  void add(const uint8_t* pixel) {
    Bin& bin = bins_[static_cast<size_t>((pixel[0] >> 4) << 8 | (pixel[1] >> 4) << 4 | pixel[2] >> 4)];
    ++bin.count;
    for (size_t c = 0; c < 3; ++c) bin.sums[c] += pixel[c];
  }

  /// The mean of the pixels of the most frequent coarse colour. At least one pixel was added.
  Color dominant() const {
    const Bin& most = *std::ranges::max_element(bins_, {}, &Bin::count);
    Color color;
    for (size_t c = 0; c < 3; ++c) color[c] = static_cast<uint8_t>((most.sums[c] + most.count / 2) / most.count);
    return color;
  }

 private:
  struct Bin {
    int64_t count = 0;
    std::array<int64_t, 3> sums = {};
  };
  std::vector<Bin> bins_ = std::vector<Bin>(4096);
};

}  // namespace saccade
