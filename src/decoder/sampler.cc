#include "decoder/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace saccade {
namespace {

// Of how much less than the likeliest token's a logit may be to count: a weight of e^-40 is lost in the sum of the
// others, and so many tokens need not be sorted.
constexpr float kMostTemperatures = 40;

}  // namespace

void Sampler::see(int32_t token) {
  const auto idx = static_cast<size_t>(token);
  if (is_seen_.size() <= idx) is_seen_.resize(idx + 1, false);
  is_seen_[idx] = true;
}

void Sampler::penalize(std::span<float> logits) const {
  if (sampling_.repetition_penalty == 1) return;
  for (size_t token = 0; token < std::min(is_seen_.size(), logits.size()); ++token) {
    if (!is_seen_[token]) continue;
    logits[token] =
        logits[token] > 0 ? logits[token] / sampling_.repetition_penalty : logits[token] * sampling_.repetition_penalty;
  }
}

void Sampler::keep_likeliest(std::span<const float> logits) {
  candidates_.clear();
  const float least = *std::ranges::max_element(logits) - kMostTemperatures * sampling_.temperature;
  for (size_t token = 0; token < logits.size(); ++token) {
    if (logits[token] >= least) candidates_.push_back({static_cast<int32_t>(token), logits[token], 0});
  }
  const auto is_likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const size_t top_k = sampling_.top_k > 0 ? static_cast<size_t>(sampling_.top_k) : candidates_.size();
  const size_t kept = std::min(top_k, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(kept), candidates_.end(),
                    is_likelier);
  candidates_.resize(kept);
  const float largest = candidates_.front().logit;
  for (Candidate& candidate : candidates_) {
    candidate.weight = std::exp(static_cast<double>(candidate.logit - largest) / sampling_.temperature);
  }
}

void Sampler::apply_top_p() {
  if (sampling_.top_p >= 1) return;
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  double sum = 0;
  size_t kept = 0;
  while (kept < candidates_.size() && sum < static_cast<double>(sampling_.top_p) * total) {
    sum += candidates_[kept++].weight;
  }
  candidates_.resize(std::max<size_t>(kept, 1));
}

int32_t Sampler::sample(std::span<float> logits) {
  penalize(logits);
  for (float& logit : logits) {  // after the penalty, which can make infinities of large logits
    if (std::isnan(logit)) logit = std::numeric_limits<float>::lowest();
    logit = std::clamp(logit, std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max());
  }
  if (sampling_.temperature <= 0) {
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  keep_likeliest(logits);
  apply_top_p();
  // Weights are relative to the likeliest, so min-p compares with them directly.
  std::erase_if(candidates_, [&](const Candidate& c) { return c.weight < static_cast<double>(sampling_.min_p); });
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  // 53 random bits, the same on every standard library (std::uniform_real_distribution is not).
  double left = static_cast<double>(random_() >> 11) * 0x1.0p-53 * total;
  for (const Candidate& candidate : candidates_) {
    left -= candidate.weight;
    if (left < 0) return candidate.token;
  }
  return candidates_.back().token;
}

}  // namespace saccade
