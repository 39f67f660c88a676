// A baseline that must be on every chart: at high ratios many published methods are below it (UniPruneBench,
// arXiv 2511.02650).
#include "compression/selection.h"
#include "compression/strategies.h"

namespace saccade {
namespace {

/// SplitMix64: the same numbers on every platform, unlike the distributions of <random>.
uint64_t next_random(uint64_t& state) {
  uint64_t value = state += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

}  // namespace

Reduction prune_at_random(ThreadPool& /*pool*/, const CompressionInput& input, const CompressionOptions& options) {
  const auto n = static_cast<size_t>(input.num_tokens());
  std::vector<int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  uint64_t state = options.seed;
  for (size_t i = 0; i + 1 < n; ++i) std::swap(order[i], order[i + next_random(state) % (n - i)]);
  std::vector<float> scores(n);
  for (size_t i = 0; i < n; ++i)
    scores[static_cast<size_t>(order[i])] = 1 - static_cast<float>(i) / static_cast<float>(n);
  order.resize(static_cast<size_t>(options.keep));
  return keep_only(std::move(order), std::move(scores));
}

}  // namespace saccade
