// What reduce() refuses, and the bounds that every strategy's result keeps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "compression/strategy.h"
#include "compression/test_picture.h"

namespace saccade {
namespace {

using test::TestPicture;
using testing::HasSubstr;

ThreadPool pool(2);

const Strategy& strategy_named(std::string_view name) {
  return *find_strategy(name).value();
}

Status status_of(std::string_view name, const CompressionInput& input, const CompressionOptions& options) {
  const Expected<Reduction> reduction = reduce(pool, strategy_named(name), input, options);
  return reduction ? Status() : reduction.status();
}

TEST(Reduce, AnUnknownNameListsTheKnownOnes) {
  const auto found = find_strategy("fastv");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.status().code(), StatusCode::kNotFound);
  for (const Strategy& strategy : strategies()) {
    EXPECT_THAT(found.status().message(), HasSubstr(std::string(strategy.name)));
  }
}

TEST(Reduce, ValuesThatAreNotFiniteAreRefusedWithTheirToken) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), 3e38f}) {
    TestPicture picture(6, 6, 20, 1);
    picture.vectors.row(17)[3] = bad;
    const Status status = status_of("divprune", picture.input(), {.keep = 5});
    EXPECT_EQ(status.code(), StatusCode::kCorruptData);
    EXPECT_THAT(status.message(), HasSubstr("token 17"));
  }
  TestPicture picture(6, 6, 20, 1);
  picture.class_attention[9] = std::nanf("");
  const Status status = status_of("attention", picture.input(), {.keep = 5});
  EXPECT_EQ(status.code(), StatusCode::kCorruptData);
  EXPECT_THAT(status.message(), HasSubstr("token 9"));
}

TEST(Reduce, CountsOutOfRangeAreRefused) {
  const TestPicture picture(4, 4, 20, 1);
  for (const int64_t keep : {-1, 0, 17}) {
    EXPECT_EQ(status_of("random", picture.input(), {.keep = keep}).code(), StatusCode::kInvalidArgument) << keep;
  }
  EXPECT_EQ(status_of("random", CompressionInput(), {.keep = 1}).code(), StatusCode::kInvalidArgument);
}

TEST(Reduce, SizesThatDoNotFitAreRefused) {
  const TestPicture picture(4, 4, 20, 1);
  CompressionInput input = picture.input();
  input.places = input.places.subspan(1);
  EXPECT_EQ(status_of("random", input, {.keep = 2}).code(), StatusCode::kInvalidArgument);
  input = picture.input();
  input.class_attention = input.class_attention.subspan(1);
  EXPECT_EQ(status_of("random", input, {.keep = 2}).code(), StatusCode::kInvalidArgument);
  const Tensor narrow(Shape{3, 19});
  input = picture.input();
  input.query = narrow;
  EXPECT_EQ(status_of("random", input, {.keep = 2}).code(), StatusCode::kInvalidArgument);
}

TEST(Reduce, WhatAStrategyNeedsAndTheTowerLacksIsSaid) {
  const TestPicture picture(4, 4, 20, 1);
  for (const Strategy& strategy : strategies()) {
    CompressionInput input = picture.input();
    input.class_attention = {};
    input.keys = {};
    input.query = {};
    input.question_scores = {};
    const bool needs_something = strategy.class_attention == Need::kRequired || strategy.keys == Need::kRequired ||
                                 strategy.query == Need::kRequired || strategy.question_scores == Need::kRequired;
    const Status status = status_of(strategy.name, input, {.keep = 4});
    EXPECT_EQ(status.code(), needs_something ? StatusCode::kUnsupported : StatusCode::kOk) << strategy.name;
    if (needs_something) {
      EXPECT_THAT(status.message(), HasSubstr(std::string(strategy.name)));
    }
  }
}

/// What holds for every reduction.
void check_reduction(const Reduction& reduction, int64_t n) {
  ASSERT_EQ(static_cast<int64_t>(reduction.target.size()), n);
  ASSERT_EQ(static_cast<int64_t>(reduction.scores.size()), n);
  const std::set<int32_t> kept(reduction.ranking.begin(), reduction.ranking.end());
  ASSERT_EQ(kept.size(), reduction.ranking.size()) << "a token is kept twice";
  ASSERT_FALSE(kept.empty());
  for (int64_t i = 0; i < n; ++i) {
    const int32_t target = reduction.target[static_cast<size_t>(i)];
    ASSERT_EQ(target == i, kept.contains(static_cast<int32_t>(i))) << i;
    ASSERT_TRUE(target == kNoTarget || kept.contains(target)) << i;
    ASSERT_TRUE(std::isfinite(reduction.scores[static_cast<size_t>(i)])) << i;
  }
  std::map<int32_t, double> sums;
  const MergePart* previous = nullptr;
  for (const MergePart& part : reduction.parts) {
    ASSERT_TRUE(kept.contains(part.target));
    ASSERT_TRUE(part.source >= 0 && part.source < n);
    ASSERT_GE(part.share, 0);
    if (previous != nullptr) {
      ASSERT_TRUE(std::pair(previous->target, previous->source) < std::pair(part.target, part.source));
    }
    previous = &part;
    sums[part.target] += double{part.share};
  }
  for (const auto& [target, sum] : sums) ASSERT_NEAR(sum, 1, 1e-5) << target;
}

TEST(Reduce, EveryResultKeepsItsBounds) {
  for (const Strategy& strategy : strategies()) {
    for (const auto& [rows, cols] : {std::pair{1, 1}, {1, 5}, {6, 6}, {7, 5}}) {
      const int64_t n = rows * cols;
      for (const bool is_flat : {false, true}) {
        TestPicture picture(rows, cols, 20, 4);
        if (is_flat) picture.make_all_equal();
        for (const int64_t keep : {int64_t{1}, n / 3, n / 2, n - 1, n}) {
          if (keep < 1) continue;
          SCOPED_TRACE(std::string(strategy.name) + " " + std::to_string(keep) + " of " + std::to_string(n));
          const auto reduction = reduce(pool, strategy, picture.input(), {.keep = keep, .seed = 3});
          ASSERT_TRUE(reduction) << reduction.status().message();
          ASSERT_NO_FATAL_FAILURE(check_reduction(*reduction, n));
          const auto num_kept = static_cast<int64_t>(reduction->ranking.size());
          EXPECT_LE(num_kept, keep);
          EXPECT_TRUE(num_kept == keep || strategy.name == "downscale");
          EXPECT_EQ(reduction->is_nested, strategy.is_nested);
        }
        if (!strategy.decides_count) continue;
        const auto reduction = reduce(pool, strategy, picture.input(), {});
        ASSERT_TRUE(reduction) << reduction.status().message();
        ASSERT_NO_FATAL_FAILURE(check_reduction(*reduction, n)) << strategy.name;
      }
    }
  }
}

TEST(Reduce, APrefixOfANestedRankingIsWhatFewerTokensWouldBe) {
  const TestPicture picture(7, 6, 20, 5);
  for (const Strategy& strategy : strategies()) {
    if (!strategy.is_nested) continue;
    const Reduction all = reduce(pool, strategy, picture.input(), {.keep = 42, .seed = 9}).value();
    for (const int64_t keep : {1, 10, 41}) {
      const Reduction few = reduce(pool, strategy, picture.input(), {.keep = keep, .seed = 9}).value();
      const Reduction prefix = cut(all, keep);
      EXPECT_EQ(few.ranking, prefix.ranking) << strategy.name << " " << keep;
      EXPECT_EQ(few.target, prefix.target) << strategy.name << " " << keep;
    }
  }
}

TEST(Reduce, TheNumberOfThreadsChangesNothing) {
  ThreadPool one(1);
  const TestPicture picture(12, 12, 300, 6);
  for (const Strategy& strategy : strategies()) {
    const Reduction alone = reduce(one, strategy, picture.input(), {.keep = 40}).value();
    const Reduction together = reduce(pool, strategy, picture.input(), {.keep = 40}).value();
    EXPECT_EQ(alone.ranking, together.ranking) << strategy.name;
    EXPECT_EQ(alone.target, together.target) << strategy.name;
    EXPECT_EQ(alone.parts, together.parts) << strategy.name;
    EXPECT_EQ(alone.scores, together.scores) << strategy.name;
  }
}

}  // namespace
}  // namespace saccade
