// VisionZip (arXiv 2412.04467): the dominant tokens are those that the class row attends to most; of the rest, every so
// many-th is a contextual token, and the others are merged into the one whose key is most like theirs.
//
// What differs: the class row itself is no token here; a contextual token is the mean of all that go into it, itself
// included, by weight (the paper's text; its code adds the target to the mean of the others, which doubles its length);
// merging happens at the projector's output. Where there are no keys, the tokens' vectors take their place.
#include <cmath>

#include "compression/merging.h"
#include "compression/selection.h"
#include "compression/similarity.h"
#include "compression/strategies.h"

namespace saccade {

Reduction merge_rest_by_key(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options) {
  const int64_t num_contextual =
      std::min<int64_t>(std::llround(static_cast<double>(options.keep) * options.contextual_share), options.keep - 1);
  const int64_t num_dominant = options.keep - num_contextual;
  std::vector<int32_t> ranking = falling_order(input.class_attention);
  std::vector<int32_t> rest(ranking.begin() + num_dominant, ranking.end());
  ranking.resize(static_cast<size_t>(num_dominant));
  std::ranges::sort(rest);
  std::vector<int32_t> target(static_cast<size_t>(input.num_tokens()), kNoTarget);
  for (const int32_t token : ranking) target[static_cast<size_t>(token)] = token;
  std::vector<int32_t> contextual;
  if (num_contextual > 0) {
    const auto step = static_cast<int64_t>(rest.size()) / num_contextual;
    for (int64_t i = 0; i < num_contextual; ++i) contextual.push_back(rest[static_cast<size_t>(i * step)]);
    const Tensor cosines = cosines_with(pool, input.keys ? input.keys : input.vectors, contextual);
    for (const int32_t token : rest) {
      int64_t best = 0;
      for (int64_t i = 1; i < num_contextual; ++i) {
        if (cosines.row(i)[static_cast<size_t>(token)] > cosines.row(best)[static_cast<size_t>(token)]) best = i;
      }
      target[static_cast<size_t>(token)] = contextual[static_cast<size_t>(best)];
    }
    for (const int32_t token : contextual) target[static_cast<size_t>(token)] = token;
  }
  ranking.insert(ranking.end(), contextual.begin(), contextual.end());
  return merge_into(input, std::move(ranking), std::move(target),
                    {input.class_attention.begin(), input.class_attention.end()});
}

}  // namespace saccade
