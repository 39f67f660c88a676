#include "planner/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "planner/testing/random_requests.h"

namespace saccade {
namespace {

constexpr int kNumCases = 1000;

QualityTable table_of(ClassQuality quality) {
  QualityTable table;
  table.classes = {{kAnyClass, std::move(quality)}};
  return table;
}

// All settings of the levers, one loop in another, without anything shared between them.
template <typename Visit>
void for_all(const LeverOptions& options, const Visit& visit) {
  for (const double scale : options[0]) {
    for (const double skip : options[1]) {
      for (const double encoder_layers : options[2]) {
        for (const double keep : options[3]) {
          for (const double layers : options[4]) {
            for (const double pictures : options[5]) {
              visit(Levers{{scale, skip, encoder_layers, keep, layers, pictures}});
            }
          }
        }
      }
    }
  }
}

// Of a request's candidates the fastest and the slowest p95.
std::pair<double, double> latencies(const Planner& planner, const PlanRequest& request) {
  double fastest = std::numeric_limits<double>::max();
  double slowest = 0;
  planner.for_each(request, [&](const Candidate& candidate) {
    fastest = std::min(fastest, candidate.latency_p95_ms);
    slowest = std::max(slowest, candidate.latency_p95_ms);
  });
  return {fastest, slowest};
}

TEST(Planner, FindsWhatBruteForceFinds) {
  RandomRequests random(1);
  for (int i = 0; i < kNumCases; ++i) {
    const CostModel costs(random.shape(), random.hardware());
    const QualityTable table = table_of(random.quality());
    const Planner planner(costs, table);
    PlanRequest request = random.request();
    request.weights.usd_per_error = random.between(0, 2);
    request.price.device_second_usd = 0.001;
    const auto [fastest, slowest] = latencies(planner, request);
    if (random.chance(0.7)) request.budget.max_latency_ms = random.between(fastest, slowest);
    if (random.chance(0.3)) request.budget.max_ttft_ms = random.between(fastest, slowest);
    if (random.chance(0.3)) request.budget.max_cost_usd = random.between(fastest, slowest) * 1e-6;
    if (random.chance(0.5)) request.budget.min_quality = random.between(0.5, 1);
    const PlanChoice choice = planner.choose(request);
    std::optional<Candidate> best;
    for_all(request.options, [&](const Levers& levers) {
      const Candidate candidate = planner.evaluate(request, levers);
      if (planner.verdict(request, candidate) != Verdict::kChosen) return;
      if (!best || candidate.objective < best->objective) best = candidate;
    });
    if (!best) {
      EXPECT_FALSE(choice.fits && choice.keeps_quality);
      EXPECT_THAT(choice.shortfall, testing::StartsWith("cannot promise"));
      continue;
    }
    EXPECT_TRUE(choice.fits && choice.keeps_quality) << choice.shortfall;
    EXPECT_NEAR(choice.chosen.objective, best->objective, 1e-9 * best->objective);
    EXPECT_EQ(planner.verdict(request, choice.chosen), Verdict::kChosen);
  }
}

TEST(Planner, ALargerBudgetNeverGivesWorseQuality) {
  RandomRequests random(2);
  for (int i = 0; i < kNumCases; ++i) {
    const CostModel costs(random.shape(), random.hardware());
    const QualityTable table = table_of(random.quality());
    const Planner planner(costs, table);
    PlanRequest request = random.request();
    request.price.device_second_usd = 0.001;
    const auto [fastest, slowest] = latencies(planner, request);
    double last_quality = 0;
    const bool is_money = i % 2 == 1;
    for (int step = 0; step <= 10; ++step) {
      const double ms = fastest + (slowest - fastest) * step / 10;
      if (is_money) {
        request.budget.max_cost_usd = ms * 1e-6;
      } else {
        request.budget.max_latency_ms = ms;
      }
      const PlanChoice choice = planner.choose(request);
      if (!choice.fits) continue;
      EXPECT_GE(1 - choice.chosen.loss, last_quality - 1e-12);
      last_quality = 1 - choice.chosen.loss;
    }
  }
}

TEST(Planner, ALowerFloorNeverCostsMore) {
  RandomRequests random(3);
  for (int i = 0; i < 100; ++i) {
    const CostModel costs(random.shape(), random.hardware());
    const QualityTable table = table_of(random.quality());
    const Planner planner(costs, table);
    PlanRequest request = random.request();
    double last_ms = 0;
    for (const double floor : {0.5, 0.8, 0.9, 0.95, 0.99, 1.0}) {
      request.budget.min_quality = floor;
      const PlanChoice choice = planner.choose(request);
      EXPECT_TRUE(choice.keeps_quality);
      EXPECT_GE(choice.chosen.latency_p95_ms, last_ms);
      EXPECT_GE(1 - choice.chosen.loss, floor - 1e-9);
      last_ms = choice.chosen.latency_p95_ms;
    }
  }
}

class Fixed : public testing::Test {
 protected:
  Fixed() : random_(4), costs_(random_.shape(), random_.hardware()), table_(table_of(random_.quality())) {
    request_ = random_.request();
    request_.options = {{{1, 0.5}, {0, 1}, {1, 0.75}, {1, 0.5, 0.25}, {1, 0.5}, {0}}};
    request_.facts.instead.clear();
    request_.facts.looks = {{1, 576, 1, 576, 1e5}, {0.5, 144, 1, 144, 3e4}};
  }
  PlanChoice choose() const { return Planner(costs_, table_).choose(request_); }

  RandomRequests random_;
  CostModel costs_;
  QualityTable table_;
  PlanRequest request_;
};

TEST_F(Fixed, WithoutAnyLimitTheBestQualityWins) {
  request_.weights = {0, 0, 1};
  EXPECT_TRUE(choose().chosen.levers.is_full());
  EXPECT_EQ(choose().claim.kind, QualityClaim::Kind::kFull);
}

TEST_F(Fixed, AnAbsurdBudgetGetsTheFastestPlanAndSaysSo) {
  for (const double ms : {0.0, -5.0, 1e-9}) {
    request_.budget.max_latency_ms = ms;
    const PlanChoice choice = choose();
    EXPECT_FALSE(choice.fits);
    EXPECT_THAT(choice.shortfall, testing::AllOf(testing::StartsWith("cannot promise an answer within"),
                                                 testing::HasSubstr("the fastest plan takes")));
    EXPECT_EQ(choice.chosen.latency_p95_ms, latencies(Planner(costs_, table_), request_).first);
  }
  request_.budget.max_latency_ms = 1e12;
  EXPECT_TRUE(choose().fits);
}

TEST_F(Fixed, TimeThatHasPassedCounts) {
  request_.budget.max_latency_ms = 1e6;
  EXPECT_TRUE(choose().fits);
  request_.facts.elapsed_ms = 1e6;
  EXPECT_FALSE(choose().fits);
}

TEST_F(Fixed, AFloorThatNothingFastEnoughKeepsNamesTheBest) {
  const auto [fastest, slowest] = latencies(Planner(costs_, table_), request_);
  request_.budget.max_latency_ms = fastest + 0.05 * (slowest - fastest);
  request_.budget.min_quality = 1;
  const PlanChoice choice = choose();
  EXPECT_TRUE(choice.fits);
  EXPECT_FALSE(choice.keeps_quality);
  EXPECT_THAT(choice.shortfall, testing::HasSubstr("a quality of 1: the best that fits"));
}

TEST_F(Fixed, WhatIsDoneCostsNothingMore) {
  const Planner planner(costs_, table_);
  const Candidate before = planner.evaluate(request_, Levers());
  request_.facts.passed = Checkpoint::kEncode;
  request_.facts.visual_tokens = 300;
  const Candidate behind = planner.evaluate(request_, Levers());
  EXPECT_GT(before.stages_ms[1], 0);
  EXPECT_EQ(behind.stages_ms[0], 0);
  EXPECT_EQ(behind.stages_ms[1], 0);
  EXPECT_EQ(behind.visual_tokens, 300);
  EXPECT_LT(behind.stages_ms[3], before.stages_ms[3]);
}

TEST_F(Fixed, GoingOnAsBeforeIsOneMoreCandidate) {
  const Levers before = {{1, 0, 1, 0.5, 0.5}};
  const Planner planner(costs_, table_);
  const Candidate anew = planner.evaluate(request_, before);
  request_.going_on = GoingOn{.levers = before, .past = {request_.facts.text_rows - 3, 288, 0.5}, .looks = {}};
  request_.budget.min_quality = 1 - anew.loss;
  const PlanChoice choice = choose();
  EXPECT_TRUE(choice.chosen.goes_on);
  EXPECT_EQ(choice.chosen.levers, before);
  EXPECT_EQ(choice.chosen.loss, anew.loss);
  EXPECT_EQ(choice.chosen.visual_tokens, anew.visual_tokens);
  EXPECT_EQ(choice.chosen.cost_usd, anew.cost_usd);
  EXPECT_LT(choice.chosen.stages_ms[3], anew.stages_ms[3]);
  EXPECT_EQ(choice.chosen.stages_ms[4], anew.stages_ms[4]);
  EXPECT_FALSE(choice.full.goes_on);
  request_.budget.min_quality = 1;
  EXPECT_FALSE(choose().chosen.goes_on);
}

TEST_F(Fixed, WhereNothingKeepsTheFloorTheBestThereIsGoesOnToo) {
  request_.options = {{{1}, {1}, {1}, {1}, {1}, {0}}};
  request_.budget.min_quality = 1;
  EXPECT_FALSE(choose().keeps_quality);
  request_.going_on = GoingOn{.levers = {{1, 1, 1, 1, 1}}, .past = {10, 400, 1}, .looks = {}};
  EXPECT_TRUE(choose().chosen.goes_on);
}

TEST_F(Fixed, APictureThatIsNewIsPaidFor) {
  request_.budget.min_quality = 1;
  request_.going_on = GoingOn{.levers = {}, .past = {10, 576, 1}, .looks = {}};
  const double without = choose().chosen.latency_ms;
  request_.going_on->looks = {{1, 144, 1, 144, 3e4}};
  const PlanChoice choice = choose();
  EXPECT_TRUE(choice.chosen.goes_on);
  EXPECT_TRUE(choice.full.goes_on);
  EXPECT_EQ(choice.chosen.visual_tokens, 576 + 144);
  EXPECT_GT(choice.chosen.latency_ms, without);
}

TEST_F(Fixed, RowsAreTakenOverByPlansOfTheSameLayers) {
  const Planner planner(costs_, table_);
  const Levers full;
  const Levers shallow = {{1, 0, 1, 1, 0.5}};
  const double full_ms = planner.evaluate(request_, full).stages_ms[3];
  const double shallow_ms = planner.evaluate(request_, shallow).stages_ms[3];
  request_.facts.past = {.text = request_.facts.text_rows - 1, .layers = 0.5};
  EXPECT_EQ(planner.evaluate(request_, full).stages_ms[3], full_ms);
  EXPECT_LT(planner.evaluate(request_, shallow).stages_ms[3], shallow_ms);
}

TEST_F(Fixed, LittleMemoryMovesThePlanDownAndSaysSo) {
  request_.weights = {0, 0, 1};
  const Planner planner(costs_, table_);
  const double full_bytes = planner.evaluate(request_, Levers()).memory_bytes;
  double least_bytes = full_bytes;
  planner.for_each(request_, [&](const Candidate& one) { least_bytes = std::min(least_bytes, one.memory_bytes); });
  ASSERT_LT(least_bytes, full_bytes);
  request_.facts.free_bytes = full_bytes;
  EXPECT_TRUE(choose().chosen.levers.is_full());
  EXPECT_FALSE(choose().crowded_out);
  request_.facts.free_bytes = least_bytes;
  const PlanChoice tight = choose();
  EXPECT_TRUE(tight.fits && tight.is_possible);
  EXPECT_LE(tight.chosen.memory_bytes, least_bytes);
  EXPECT_EQ(tight.shortfall, "");
  ASSERT_TRUE(tight.crowded_out);
  EXPECT_TRUE(tight.crowded_out->levers.is_full());
  EXPECT_THAT(size_text(request_.facts, *tight.crowded_out), testing::HasSubstr("of memory, where"));
  EXPECT_EQ(planner.verdict(request_, planner.evaluate(request_, Levers())), Verdict::kTooLarge);
  request_.facts.free_bytes = least_bytes / 2;
  const PlanChoice none = choose();
  EXPECT_FALSE(none.is_possible);
  EXPECT_THAT(none.shortfall, testing::HasSubstr("the cheapest plan takes"));
}

TEST_F(Fixed, AFloorThatMemoryForbidsNamesMemory) {
  request_.budget.min_quality = 1;
  const Planner planner(costs_, table_);
  request_.facts.free_bytes = planner.evaluate(request_, Levers()).memory_bytes - 1;
  const PlanChoice choice = choose();
  EXPECT_TRUE(choice.fits && choice.is_possible);
  EXPECT_FALSE(choice.keeps_quality);
  EXPECT_THAT(choice.shortfall, testing::AllOf(testing::HasSubstr("a quality of 1"), testing::HasSubstr("of memory")));
}

TEST_F(Fixed, AShortContextIsSolvedByFewerTokens) {
  request_.weights = {0, 0, 1};
  request_.facts.context_rows = request_.facts.text_rows + 300 + request_.facts.expected_tokens;
  const PlanChoice choice = choose();
  EXPECT_TRUE(choice.is_possible);
  EXPECT_LE(choice.chosen.visual_tokens, 300);
  ASSERT_TRUE(choice.crowded_out);
  EXPECT_THAT(size_text(request_.facts, *choice.crowded_out), testing::HasSubstr("the context holds"));
  request_.facts.context_rows = request_.facts.text_rows;
  EXPECT_FALSE(choose().is_possible);
}

TEST_F(Fixed, WhatTheCacheHasTakenIsNotTakenTwice) {
  const Planner planner(costs_, table_);
  const double before = planner.evaluate(request_, Levers()).memory_bytes;
  request_.facts.cache_bytes = 1e12;
  EXPECT_LT(planner.evaluate(request_, Levers()).memory_bytes, before);
}

TEST(Planner, LessMemoryNeverTakesMoreMemory) {
  RandomRequests random(5);
  for (int i = 0; i < 200; ++i) {
    const CostModel costs(random.shape(), random.hardware());
    const QualityTable table = table_of(random.quality());
    const Planner planner(costs, table);
    PlanRequest request = random.request();
    const double full_bytes = planner.evaluate(request, Levers()).memory_bytes;
    for (const double share : {1.0, 0.8, 0.6, 0.4, 0.2}) {
      request.facts.free_bytes = share * full_bytes;
      const PlanChoice choice = planner.choose(request);
      if (choice.is_possible) {
        EXPECT_LE(choice.chosen.memory_bytes, request.facts.free_bytes);
      }
      bool is_any_possible = false;
      planner.for_each(request, [&](const Candidate& one) {
        is_any_possible = is_any_possible || one.memory_bytes <= request.facts.free_bytes;
      });
      EXPECT_EQ(choice.is_possible, is_any_possible);
    }
  }
}

TEST(Planner, ALongerQueueNeverGetsASlowerPlan) {
  RandomRequests random(6);
  for (int i = 0; i < 200; ++i) {
    const CostModel costs(random.shape(), random.hardware());
    const QualityTable table = table_of(random.quality());
    const Planner planner(costs, table);
    PlanRequest request = random.request();
    request.weights.usd_per_error = random.between(0, 0.1);
    double last_ms = std::numeric_limits<double>::max();
    for (const int64_t num_queued : {0, 1, 5, 50, 1000}) {
      request.budget.num_queued = num_queued;
      const double ms = planner.choose(request).chosen.latency_p95_ms;
      EXPECT_LE(ms, last_ms + 1e-9);
      last_ms = ms;
    }
  }
}

TEST_F(Fixed, CertificatesDecideWhereThereAreSome) {
  table_.is_calibrated = true;
  ClassQuality& quality = table_.classes.at(kAnyClass);
  const Levers safe = {{1, 1, 1, 1, 1}};
  const Levers cheap = {{0.5, 1, 0.75, 0.25, 0.5}};
  quality.ladder = {{safe, 2000, 0}, {cheap, 2000, 0.05}};
  request_.budget.min_quality = 0.99;
  EXPECT_EQ(choose().chosen.levers, safe);
  EXPECT_EQ(choose().claim.kind, QualityClaim::Kind::kCertified);
  EXPECT_NEAR(choose().claim.epsilon, 0.01, 1e-12);
  request_.budget.min_quality = 0.9;
  EXPECT_EQ(choose().chosen.levers, cheap);
  request_.budget.min_quality = 0.999;  // too few questions to say so
  EXPECT_TRUE(choose().chosen.levers.is_full());
}

TEST_F(Fixed, WhatNoLeverSaysIsNeverPromised) {
  table_.is_calibrated = true;
  const Levers rung = {{1, 1, 1, 0.25, 1}};
  table_.classes.at(kAnyClass).ladder = {{rung, 2000, 0}};
  request_.strategy = "divprune";
  request_.budget.min_quality = 0.9;
  const Planner planner(costs_, table_);
  std::vector<Plan> own(14);
  own[0].exit = 0.5;
  own[1].merge = 4;
  own[2].encoder_keep = 0.5;
  own[3].prunings = {{1, 0.5}};
  own[4].skipped_layers = {1};
  own[5].frozen_layers = {1};
  own[6].strategy = "uniform";
  own[7].keep_threshold = 0.5;
  own[8].repacks_positions = true;
  own[9].resolution = 100;
  own[10].crops_margins = true;
  own[11].picture_tokens = 100;
  own[12].detail = Detail::kLow;
  own[13].pictures = PictureUse::kText;
  for (const Plan& plan : own) {
    request_.own = plan;
    for (const Levers& levers : {Levers(), rung}) {
      const QualityClaim claim = planner.claim_of(request_, planner.evaluate(request_, levers));
      EXPECT_EQ(claim.kind, QualityClaim::Kind::kPrior);
      EXPECT_EQ(claim.epsilon, 1);
    }
    const PlanChoice choice = choose();
    EXPECT_FALSE(choice.keeps_quality);
    EXPECT_THAT(choice.shortfall, testing::HasSubstr("the request's own plan leaves out was not measured"));
  }
  request_.budget.min_quality = 0;
  EXPECT_TRUE(choose().keeps_quality);
}

TEST_F(Fixed, ALeverThatTheRequestSetsIsPromisedAsItWasMeasured) {
  table_.is_calibrated = true;
  const Levers rung = {{1, 1, 1, 0.25, 1}};
  table_.classes.at(kAnyClass).ladder = {{rung, 2000, 0}};
  request_.strategy = "divprune";
  const Planner planner(costs_, table_);
  const auto kind = [&] { return planner.claim_of(request_, planner.evaluate(request_, rung)).kind; };
  request_.own.keep_share = 0.25;
  request_.own.skip_equal = 0;
  request_.own.seed = 7;
  EXPECT_EQ(kind(), QualityClaim::Kind::kCertified);
  request_.own.layers = 1;
  EXPECT_EQ(kind(), QualityClaim::Kind::kCertified);
  request_.own.skip_equal = 4;  // the rung has 0
  EXPECT_EQ(kind(), QualityClaim::Kind::kPrior);
  EXPECT_EQ(to_plan(rung, request_.own, "divprune").skip_equal, 4);
}

TEST_F(Fixed, ADearPlanIsNotChosen) {
  request_.price.image_usd = 1000;
  request_.weights = {0, 0, 1};
  const Planner planner(costs_, table_);
  const double full = planner.evaluate(request_, Levers()).cost_usd;
  request_.budget.max_cost_usd = full / 2;
  const PlanChoice choice = choose();
  EXPECT_TRUE(choice.fits);
  EXPECT_LE(choice.chosen.cost_usd, full / 2);
  request_.budget.max_cost_usd = 1e-12;
  EXPECT_THAT(choose().shortfall, testing::HasSubstr("the cheapest comes to"));
}

}  // namespace
}  // namespace saccade
