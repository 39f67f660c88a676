// By what the question asks for. The relevance of a token is the cosine with the question's words (relevance.h), scaled
// to [0, 1] over the picture: cosines between pictures and words differ by little, and by other amounts in each model.
//
// query: softmax(relevance / 0.1). With a count, the most probable tokens; without one, those whose probability is at
// least `threshold` (0.1 unless given) of the largest. hybrid: the class row's attention, as a share of the largest,
// times the relevance; without a question, attention alone.
#include <cmath>

#include "compression/selection.h"
#include "compression/strategies.h"

namespace saccade {

Reduction prune_by_query(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options) {
  constexpr double kTemperature = 0.1;
  constexpr double kThreshold = 0.1;
  std::vector<float> scores = relevance_to(pool, input.vectors, input.query, options.relevance);
  scale_to_unit(scores, 1);
  double sum = 0;
  for (float& score : scores) {
    score = static_cast<float>(std::exp((double{score} - 1) / kTemperature));  // of the largest, which is 1
    sum += double{score};
  }
  int64_t keep = options.keep;
  if (keep == 0) {
    const double smallest = std::min(options.threshold.value_or(kThreshold), 1.0);
    keep = std::ranges::count_if(scores, [&](float score) { return double{score} >= smallest; });
  }
  for (float& score : scores) score = static_cast<float>(double{score} / sum);
  return keep_largest(std::move(scores), keep);
}

Reduction prune_by_attention_and_query(ThreadPool& pool, const CompressionInput& input,
                                       const CompressionOptions& options) {
  std::vector<float> scores(input.class_attention.begin(), input.class_attention.end());
  const float largest = std::ranges::max(scores);
  const float scale = largest > 0 ? 1 / largest : 0.0f;
  for (float& score : scores) score *= scale;
  if (input.query) {
    std::vector<float> relevance = relevance_to(pool, input.vectors, input.query, options.relevance);
    scale_to_unit(relevance, 1);
    for (size_t i = 0; i < scores.size(); ++i) scores[i] *= relevance[i];
  }
  return keep_largest(std::move(scores), options.keep);
}

}  // namespace saccade
