#include "decoder/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

namespace saccade {
namespace {

std::map<int32_t, int> draw(const Sampling& sampling, const std::vector<float>& logits, int count) {
  Sampler sampler(sampling, 7);
  std::map<int32_t, int> counts;
  for (int i = 0; i < count; ++i) {
    std::vector<float> copy = logits;
    ++counts[sampler.sample(copy)];
  }
  return counts;
}

TEST(Sampler, GreedyTakesTheFirstOfEqualMaxima) {
  std::vector<float> logits = {0, 3, 3, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_EQ(Sampler({}, 0).sample(logits), 1);
}

TEST(Sampler, FollowsTheSoftmaxAtTemperature) {
  Sampling sampling;
  sampling.temperature = 2;
  const std::vector<float> logits = {0, 2, 4};
  const auto counts = draw(sampling, logits, 20000);
  double total = 0;
  for (const float logit : logits) total += std::exp(logit / 2);
  for (int32_t token = 0; token < 3; ++token) {
    const double probability = std::exp(logits[static_cast<size_t>(token)] / 2) / total;
    const double deviation = std::sqrt(20000 * probability * (1 - probability));
    EXPECT_NEAR(counts.at(token), 20000 * probability, 5 * deviation);
  }
}

TEST(Sampler, CutsTheTail) {
  const std::vector<float> logits = {0, 1, 2, 3, 4};
  Sampling top_k;
  top_k.temperature = 1;
  top_k.top_k = 2;
  EXPECT_EQ(draw(top_k, logits, 2000).size(), 2u);
  Sampling top_p;
  top_p.temperature = 1;
  top_p.top_p = 0.63f;  // the likeliest alone has 0.636
  EXPECT_EQ(draw(top_p, logits, 2000).size(), 1u);
  Sampling min_p;
  min_p.temperature = 1;
  min_p.min_p = 0.1f;  // exp(-2) = 0.135 stays, exp(-3) goes
  EXPECT_EQ(draw(min_p, logits, 4000).size(), 3u);
}

TEST(Sampler, PenaltyWorksOnBothSigns) {
  Sampling sampling;
  sampling.repetition_penalty = 2;
  Sampler sampler(sampling, 0);
  sampler.see(0);
  sampler.see(2);
  std::vector<float> logits = {4, 3, -1};
  EXPECT_EQ(sampler.sample(logits), 1);
  EXPECT_EQ(logits[0], 2);
  EXPECT_EQ(logits[2], -2);
}

TEST(Sampler, AnyLogitsGiveATokenAtAnyPenalty) {
  constexpr float kLowest = std::numeric_limits<float>::lowest();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  Sampling sampling;
  sampling.temperature = 1;
  const auto draw_seen = [&](const std::vector<float>& logits) {
    std::map<int32_t, int> counts;
    for (uint64_t seed = 0; seed < 64; ++seed) {
      Sampler sampler(sampling, seed);
      for (int32_t token = 0; token < 3; ++token) sampler.see(token);
      std::vector<float> copy = logits;
      ++counts[sampler.sample(copy)];
    }
    return counts;
  };
  for (const float penalty : {0.5F, 1.0F, 2.0F}) {
    sampling.repetition_penalty = penalty;
    EXPECT_EQ(draw_seen({kLowest, kLowest, kLowest}).size(), 3u) << penalty;  // all the same, so each comes up
    EXPECT_EQ(draw_seen({kNan, -kInfinity, kNan}).size(), 3u) << penalty;
    EXPECT_EQ(draw_seen({kNan, kInfinity, 5}), (std::map<int32_t, int>{{1, 64}})) << penalty;
  }
}

TEST(Sampler, SeedDecides) {
  Sampling sampling;
  sampling.temperature = 1;
  const std::vector<float> logits(50, 0.0f);
  EXPECT_EQ(draw(sampling, logits, 100), draw(sampling, logits, 100));
}

}  // namespace
}  // namespace saccade
