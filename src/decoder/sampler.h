// From logits to the next token.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "saccade/request.h"

namespace saccade {

/// Draws tokens under one Sampling: repetition penalty (CTRL, arXiv 1909.05858), then temperature, top-k, top-p
/// (arXiv 1904.09751) and min-p (arXiv 2407.01082). The same seed and logits give the same tokens on every machine.
class Sampler {
 public:
  Sampler(const Sampling& sampling, uint64_t seed) : sampling_(sampling), random_(seed) {}

  /// Tokens of the prompt or the answer that the repetition penalty should know of.
  void see(int32_t token);

  /// `logits` [vocab_size] are overwritten. Ties go to the lowest id. Not-a-number counts as the least likely.
  int32_t sample(std::span<float> logits);

 private:
  struct Candidate {
    int32_t token;
    float logit;
    double weight;  // exp(logit - largest)
  };
  void penalize(std::span<float> logits) const;
  void keep_likeliest(std::span<const float> logits);
  void apply_top_p();

  Sampling sampling_;
  std::mt19937_64 random_;
  std::vector<bool> is_seen_;          // by token id
  std::vector<Candidate> candidates_;  // of the current draw, likeliest first
};

}  // namespace saccade
