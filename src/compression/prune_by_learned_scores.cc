// learned: half of the tokens are those that the model's own scorer says the question needs most (token_scorer.h), the
// rest those farthest from all that are chosen (farthest_first.h), so that what it overlooked has a stand-in. Of an odd
// count the scorer's part is the larger.
#include "compression/farthest_first.h"
#include "compression/selection.h"
#include "compression/similarity.h"
#include "compression/strategies.h"

namespace saccade {

Reduction prune_by_learned_scores(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options) {
  std::vector<int32_t> ranking = falling_order(input.question_scores);
  ranking.resize(static_cast<size_t>((options.keep + 1) / 2));
  choose_farthest(SimilarityMatrix::cosines(pool, input.vectors), options.keep, ranking);
  return keep_only(std::move(ranking), {input.question_scores.begin(), input.question_scores.end()});
}

}  // namespace saccade
