#include "kernels/attention.h"
#include "kernels/leaf.h"

namespace saccade {

void softmax(float* x, int64_t count) {
  if (count == 0) return;
  const Leaf& leaf = active_leaf();
  const float sum = leaf.exp_sum(x, leaf.max(x, count), count);
  leaf.scale(1.0f / sum, x, count);
}

}  // namespace saccade
