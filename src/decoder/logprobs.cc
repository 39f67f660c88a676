#include "decoder/logprobs.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace saccade {

std::vector<LogProb> log_probs(std::span<const float> logits, int32_t token, int num_likeliest) {
  const double largest = *std::ranges::max_element(logits);
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - largest);
  const double log_total = largest + std::log(total);
  const auto of = [&](int32_t id) {
    return LogProb{id, static_cast<double>(logits[static_cast<size_t>(id)]) - log_total};
  };
  std::vector<LogProb> result = {of(token)};
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto kept = order.begin() + std::min<ptrdiff_t>(num_likeliest, std::ssize(order));
  std::partial_sort(order.begin(), kept, order.end(), [&](int32_t a, int32_t b) {
    const float left = logits[static_cast<size_t>(a)];
    const float right = logits[static_cast<size_t>(b)];
    return left != right ? left > right : a < b;
  });
  for (auto id = order.begin(); id != kept; ++id) result.push_back(of(*id));
  return result;
}

}  // namespace saccade
