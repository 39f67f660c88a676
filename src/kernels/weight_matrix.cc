#include "kernels/weight_matrix.h"

#include "platform/huge_buffer.h"

namespace saccade {

void WeightMatrix::pack(ThreadPool& pool) {
  if (packed_ || !PackedWeights::can_pack(view_)) return;
  packed_ = PackedWeights::pack(pool, view_);
  release_mapped_pages(view_.data, view_.num_bytes());
}

}  // namespace saccade
