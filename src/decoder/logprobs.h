// How likely the model holds tokens to be.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace saccade {

struct LogProb {
  int32_t token = 0;
  double logprob = 0;  // natural logarithm
};

/// Of `token` first, then of the `num_likeliest` likeliest, most likely first, of logits [vocab_size] as they came out
/// of the model: before any penalty or temperature.
std::vector<LogProb> log_probs(std::span<const float> logits, int32_t token, int num_likeliest);

}  // namespace saccade
