// LLaVA-PruMerge (arXiv 2403.15388): tokens whose class attention is an outlier by the interquartile rule are kept, and
// each takes in the 32 tokens whose keys are nearest to its own, weighted by their attention. PruMerge+ keeps evenly
// spaced tokens besides, about three for each outlier.
//
// Without a count: attention above Q3 + `threshold` (1.5 unless given) times the interquartile range; at least one
// token. With one: prumerge keeps the top by attention, prumerge+ a quarter by attention and the others evenly spaced.
//
// What differs: the paper adds the weighted neighbours to the token, y + sum a_j y_j; here that is divided by
// 1 + sum a_j, so that vectors keep their length. Its code's extra token, a sum of all that was pruned, is left out.
// Merging happens at the projector's output. Where there are no keys, the tokens' vectors take their place. A token may
// go into several; the one with the nearest key stands for it.
#include <cmath>

#include "compression/selection.h"
#include "compression/similarity.h"
#include "compression/strategies.h"

namespace saccade {
namespace {

constexpr int64_t kNumNeighbours = 32;

/// Between the two values that a quantile falls between, linearly. `sorted` rises.
double quantile(std::span<const float> sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return double{sorted[below]} + (at - static_cast<double>(below)) * (double{sorted[above]} - double{sorted[below]});
}

int64_t count_outliers(std::span<const float> attention, double factor) {
  std::vector<float> sorted(attention.begin(), attention.end());
  std::ranges::sort(sorted);
  const double low = quantile(sorted, 0.25);
  const double high = quantile(sorted, 0.75);
  const double bound = high + factor * (high - low);
  return std::ranges::count_if(sorted, [&](float value) { return double{value} > bound; });
}

/// `count` of the tokens that are not kept yet, evenly spaced among them.
void add_evenly(std::vector<int32_t>& kept, int64_t num_tokens, int64_t count) {
  std::vector<uint8_t> is_kept(static_cast<size_t>(num_tokens));
  for (const int32_t token : kept) is_kept[static_cast<size_t>(token)] = 1;
  std::vector<int32_t> rest;
  for (int32_t i = 0; i < num_tokens; ++i) {
    if (!is_kept[static_cast<size_t>(i)]) rest.push_back(i);
  }
  const auto num_rest = static_cast<int64_t>(rest.size());
  for (int64_t i = 0; i < count; ++i) kept.push_back(rest[static_cast<size_t>((2 * i + 1) * num_rest / (2 * count))]);
}

/// Every step-th token from the first on, where a third of the outliers' own spacing is the step.
void add_spaced(std::vector<int32_t>& kept, int64_t num_tokens) {
  const int64_t step = std::max<int64_t>(1, num_tokens / static_cast<int64_t>(kept.size()) / 3);
  const std::vector<int32_t> outliers = kept;
  for (int64_t i = 0; i < num_tokens; i += step) {
    const auto token = static_cast<int32_t>(i);
    if (std::ranges::find(outliers, token) == outliers.end()) kept.push_back(token);
  }
}

/// The tokens of the largest cosines but `token` itself, ties to the lower.
std::vector<int32_t> nearest_tokens(std::span<const float> cosines, int32_t token) {
  std::vector<int32_t> tokens(cosines.size());
  std::iota(tokens.begin(), tokens.end(), 0);
  tokens.erase(tokens.begin() + token);
  const auto count = std::min<int64_t>(kNumNeighbours, static_cast<int64_t>(tokens.size()));
  std::ranges::partial_sort(tokens, tokens.begin() + count, [&](int32_t a, int32_t b) {
    const float of_a = cosines[static_cast<size_t>(a)];
    const float of_b = cosines[static_cast<size_t>(b)];
    return of_a != of_b ? of_a > of_b : a < b;
  });
  tokens.resize(static_cast<size_t>(count));
  return tokens;
}

Reduction merge_around(ThreadPool& pool, const CompressionInput& input, std::vector<int32_t> kept) {
  const std::span<const float> attention = input.class_attention;
  const auto n = static_cast<size_t>(input.num_tokens());
  const Tensor cosines = cosines_with(pool, input.keys ? input.keys : input.vectors, kept);
  Reduction reduction = keep_only(std::move(kept), {attention.begin(), attention.end()});
  std::vector<float> nearest(n);  // the key cosine of a token that is not kept with what stands for it
  for (size_t i = 0; i < reduction.ranking.size(); ++i) {
    const int32_t target = reduction.ranking[i];
    const std::span<const float> row = cosines.row(static_cast<int64_t>(i));
    const std::vector<int32_t> neighbours = nearest_tokens(row, target);
    double sum = 1;
    for (const int32_t source : neighbours) sum += double{attention[static_cast<size_t>(source)]};
    if (neighbours.empty()) continue;
    reduction.parts.push_back({target, target, static_cast<float>(1 / sum)});
    for (const int32_t source : neighbours) {
      const auto at = static_cast<size_t>(source);
      reduction.parts.push_back({target, source, static_cast<float>(double{attention[at]} / sum)});
      if (reduction.target[at] == source) continue;  // kept itself
      const bool is_nearer = reduction.target[at] == kNoTarget || row[at] > nearest[at] ||
                             (row[at] == nearest[at] && target < reduction.target[at]);
      if (!is_nearer) continue;
      nearest[at] = row[at];
      reduction.target[at] = target;
    }
  }
  std::ranges::sort(reduction.parts, [](const MergePart& a, const MergePart& b) {
    return a.target != b.target ? a.target < b.target : a.source < b.source;
  });
  return reduction;
}

int64_t num_outliers(const CompressionInput& input, const CompressionOptions& options) {
  return std::max<int64_t>(1, count_outliers(input.class_attention, options.threshold.value_or(1.5)));
}

}  // namespace

Reduction merge_around_outliers(ThreadPool& pool, const CompressionInput& input, const CompressionOptions& options) {
  std::vector<int32_t> kept = falling_order(input.class_attention);
  kept.resize(static_cast<size_t>(options.keep > 0 ? options.keep : num_outliers(input, options)));
  return merge_around(pool, input, std::move(kept));
}

Reduction merge_around_outliers_and_samples(ThreadPool& pool, const CompressionInput& input,
                                            const CompressionOptions& options) {
  std::vector<int32_t> kept = falling_order(input.class_attention);
  if (options.keep > 0) {
    const int64_t num_top = (options.keep + 3) / 4;
    kept.resize(static_cast<size_t>(num_top));
    add_evenly(kept, input.num_tokens(), options.keep - num_top);
  } else {
    kept.resize(static_cast<size_t>(num_outliers(input, options)));
    add_spaced(kept, input.num_tokens());
  }
  return merge_around(pool, input, std::move(kept));
}

}  // namespace saccade
