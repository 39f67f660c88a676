#include "decoder/logprobs.h"

#include <gtest/gtest.h>

#include <cmath>

namespace saccade {
namespace {

TEST(LogProbs, AreThoseOfTheSoftmax) {
  const std::vector<float> logits = {1, 3, 2, 3, -50};
  const double total = std::exp(1) + 2 * std::exp(3) + std::exp(2) + std::exp(-50);
  const std::vector<LogProb> all = log_probs(logits, 2, 3);
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].token, 2);
  EXPECT_NEAR(all[0].logprob, std::log(std::exp(2) / total), 1e-12);
  EXPECT_EQ(all[1].token, 1) << "of equals the first";
  EXPECT_EQ(all[2].token, 3);
  EXPECT_EQ(all[3].token, 2);
  EXPECT_NEAR(all[1].logprob, std::log(std::exp(3) / total), 1e-12);
}

TEST(LogProbs, LargeLogitsDoNotOverflow) {
  const std::vector<LogProb> all = log_probs(std::vector<float>{1e4F, 0, -1e4F}, 0, 20);
  ASSERT_EQ(all.size(), 4U) << "no more than there are";
  EXPECT_NEAR(all[0].logprob, 0, 1e-9);
  EXPECT_NEAR(all[3].logprob, -2e4, 1e-3);
  EXPECT_EQ(log_probs(std::vector<float>{1, 2}, 1, 0).size(), 1U);
}

}  // namespace
}  // namespace saccade
