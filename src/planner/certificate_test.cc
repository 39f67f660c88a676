#include "planner/certificate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace saccade {
namespace {

LadderRung rung(double mean_loss, int64_t num_questions) {
  LadderRung made;
  made.num_questions = num_questions;
  made.mean_loss = mean_loss;
  return made;
}

TEST(Certificate, PValuesAreThoseOfTheBinomialDistribution) {
  EXPECT_NEAR(loss_p_value(0, 300, 0.01), std::pow(0.99, 300), 1e-12);
  EXPECT_NEAR(loss_p_value(1.0 / 3, 3, 0.5), 0.5, 1e-12);
  EXPECT_NEAR(loss_p_value(0.1, 10, 0.3), std::pow(0.7, 10) + 10 * 0.3 * std::pow(0.7, 9), 1e-12);
  // 1e-300 is not lost on the way.
  EXPECT_NEAR(std::log(loss_p_value(0, 68'000, 0.01)), 68'000 * std::log(0.99), 1e-6);
}

// How many questions certify 1 % at a delta of 5 %, by what was lost.
TEST(Certificate, AsManyQuestionsAsTheTablesSay) {
  EXPECT_LE(loss_p_value(0, 299, 0.01), 0.05);
  EXPECT_GT(loss_p_value(0, 298, 0.01), 0.05);
  EXPECT_LE(loss_p_value(3.0 / 780, 780, 0.01), 0.05);
  EXPECT_GT(loss_p_value(3.0 / 770, 770, 0.01), 0.05);
  EXPECT_LE(loss_p_value(7.0 / 1320, 1320, 0.01), 0.05);
  EXPECT_GT(loss_p_value(7.0 / 1300, 1300, 0.01), 0.05);
}

TEST(Certificate, NoEvidenceIsNone) {
  EXPECT_EQ(loss_p_value(0, 0, 0.5), 1);
  EXPECT_EQ(loss_p_value(0, 100, 0), 1);
  EXPECT_EQ(loss_p_value(0.02, 100, 0.01), 1);
  EXPECT_EQ(loss_p_value(1, 10'000'000, 0.5), 1);
  EXPECT_EQ(loss_p_value(0.5, 100, 1), 0);
}

TEST(Certificate, WalkEndsAtTheFirstRungThatFails) {
  const std::vector<LadderRung> ladder = {rung(0, 300), rung(0.1, 300), rung(0, 300)};
  EXPECT_EQ(certified_rungs(ladder, 0.01, 0.05), 1);
  EXPECT_EQ(certified_rungs(ladder, 0.2, 0.05), 3);
  EXPECT_EQ(certified_rungs(ladder, 0.005, 0.05), 0);
  EXPECT_EQ(certified_rungs({}, 0.5, 0.05), 0);
}

TEST(Certificate, LeastEpsilonIsWhereTheRungsBegin) {
  const std::vector<LadderRung> ladder = {rung(0, 300), rung(0.1, 300)};
  const double first = least_epsilon(ladder, 1, 0.05);
  EXPECT_NEAR(first, 1 - std::pow(0.05, 1.0 / 300), 1e-9);
  const double second = least_epsilon(ladder, 2, 0.05);
  EXPECT_EQ(certified_rungs(ladder, second + 1e-9, 0.05), 2);
  EXPECT_EQ(certified_rungs(ladder, second - 1e-9, 0.05), 1);
  EXPECT_EQ(least_epsilon(std::vector<LadderRung>{rung(0, 0)}, 1, 0.05), 1);
}

// Of many calibrations on drawn questions, no more than a share of delta certify a plan that loses more than promised.
// The rungs lose on the same questions, as plans do.
TEST(Certificate, IsHonest) {
  constexpr double kLosses[] = {0.004, 0.009, 0.011, 0.02, 0.03, 0.06, 0.12};
  constexpr int kTrials = 2000;
  constexpr int kQuestions = 600;
  std::mt19937_64 engine(1);
  std::uniform_real_distribution<double> uniform;
  for (const double delta : {0.05, 0.2}) {
    for (const double epsilon : {0.01, 0.025, 0.05}) {
      int num_violated = 0;
      int num_certified = 0;
      for (int trial = 0; trial < kTrials; ++trial) {
        std::vector<LadderRung> ladder(std::size(kLosses), rung(0, kQuestions));
        for (int i = 0; i < kQuestions; ++i) {
          const double draw = uniform(engine);
          for (size_t k = 0; k < ladder.size(); ++k) ladder[k].mean_loss += draw < kLosses[k] ? 1.0 / kQuestions : 0;
        }
        const size_t num_rungs = certified_rungs(ladder, epsilon, delta);
        num_certified += static_cast<int>(num_rungs);
        num_violated += num_rungs > 0 && kLosses[num_rungs - 1] > epsilon ? 1 : 0;
      }
      const double slack = 3 * std::sqrt(delta * (1 - delta) / kTrials);
      EXPECT_LE(num_violated, (delta + slack) * kTrials) << epsilon << " at " << delta;
      EXPECT_GT(num_certified, kTrials / 10) << epsilon << " at " << delta;
    }
  }
}

}  // namespace
}  // namespace saccade
