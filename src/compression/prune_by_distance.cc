// DivPrune (arXiv 2503.02175): tokens are chosen so that the smallest cosine distance among them is large
// (farthest_first.h). The score of a token is its distance to what was chosen before it, or at the end.
#include "compression/farthest_first.h"
#include "compression/selection.h"
#include "compression/similarity.h"
#include "compression/strategies.h"

namespace saccade {

Reduction prune_by_distance(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options) {
  std::vector<int32_t> ranking;
  std::vector<float> scores = choose_farthest(SimilarityMatrix::cosines(pool, input.vectors), options.keep, ranking);
  return keep_only(std::move(ranking), std::move(scores));
}

}  // namespace saccade
