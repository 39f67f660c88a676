// The tokens that the class row attends to most: FasterVLM (arXiv 2412.01818, first version), and the first half of
// VisionZip and VisPruner.
#include "compression/selection.h"
#include "compression/strategies.h"

namespace saccade {

Reduction prune_by_attention(ThreadPool& /*pool*/, const CompressionInput& input, const CompressionOptions& options) {
  return keep_largest({input.class_attention.begin(), input.class_attention.end()}, options.keep);
}

}  // namespace saccade
