// What the strategies that merge share.
#pragma once

#include <vector>

#include "compression/strategy.h"

namespace saccade {

/// A reduction in which each token goes into one other at most: `target` [n] as in Reduction. A kept token becomes the
/// mean of all that go into it and itself, each by its weight.
Reduction merge_into(const CompressionInput& input, std::vector<int32_t> ranking, std::vector<int32_t> target,
                     std::vector<float> scores);

}  // namespace saccade
