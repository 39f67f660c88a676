// The strategies that the registry lists, one for each file. The file says whose algorithm it is, and what differs.
#pragma once

#include "compression/strategy.h"

namespace saccade {

Reduction prune_at_random(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options);
Reduction prune_by_attention(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options);
Reduction prune_by_distance(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options);

}  // namespace saccade
