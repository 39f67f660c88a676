#include "planner/quality_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace saccade {
namespace {

Levers with(Lever lever, double value) {
  Levers levers;
  levers[lever] = value;
  return levers;
}

double loss_of(Lever lever, std::vector<LossPoint> curve, double value) {
  ClassQuality quality;
  quality.curves[static_cast<size_t>(lever)] = std::move(curve);
  return expected_loss(quality, lever, value);
}

TEST(QualityModel, LossesLieOnLinesBetweenPoints) {
  const std::vector<LossPoint> shares = {{1, 0}, {0.5, 0.1}, {0.25, 0.3}};
  EXPECT_EQ(loss_of(Lever::kKeep, shares, 1), 0);
  EXPECT_EQ(loss_of(Lever::kKeep, shares, 0.5), 0.1);
  EXPECT_DOUBLE_EQ(loss_of(Lever::kKeep, shares, 0.75), 0.05);
  EXPECT_DOUBLE_EQ(loss_of(Lever::kKeep, shares, 0.375), 0.2);
  EXPECT_EQ(loss_of(Lever::kKeep, shares, 0.1), 0.3);
  const std::vector<LossPoint> skips = {{0, 0}, {1, 0.1}, {3, 0.3}};
  EXPECT_EQ(loss_of(Lever::kSkip, skips, 0), 0);
  EXPECT_DOUBLE_EQ(loss_of(Lever::kSkip, skips, 2), 0.2);
}

TEST(QualityModel, WhatWasNotTriedLosesAll) {
  EXPECT_EQ(loss_of(Lever::kKeep, {}, 1), 0);
  EXPECT_EQ(loss_of(Lever::kKeep, {}, 0.5), 1);
  const std::vector<LossPoint> rest = {{0, 0}};
  EXPECT_EQ(loss_of(Lever::kSkip, rest, 0), 0);
  EXPECT_EQ(loss_of(Lever::kSkip, rest, 1), 1);
}

TEST(QualityModel, WaysNotToLookHaveNothingBetweenThem) {
  const std::vector<LossPoint> uses = {{0, 0}, {4, 0.9}};
  EXPECT_EQ(loss_of(Lever::kPictures, uses, 0), 0);
  EXPECT_EQ(loss_of(Lever::kPictures, uses, 3), 1);  // not tried
  EXPECT_EQ(loss_of(Lever::kPictures, uses, 4), 0.9);
  EXPECT_EQ(loss_of(Lever::kPictures, {}, 0), 0);
}

TEST(QualityModel, LeversLoseIndependentlyButForRungs) {
  ClassQuality quality;
  quality.curves = {{{{1, 0}, {0.5, 0.1}}, {{0, 0}, {1, 0}}, {{1, 0}}, {{1, 0}, {0.5, 0.2}}, {{1, 0}}, {}}};
  Levers both = with(Lever::kScale, 0.5);
  both[Lever::kKeep] = 0.5;
  EXPECT_EQ(expected_loss(quality, Levers()), 0);
  EXPECT_DOUBLE_EQ(expected_loss(quality, both), 1 - 0.9 * 0.8);
  quality.ladder = {{both, 100, 0.21}};
  EXPECT_EQ(expected_loss(quality, both), 0.21);
  EXPECT_DOUBLE_EQ(expected_loss(quality, with(Lever::kKeep, 0.5)), 0.2);
}

TEST(QualityModel, UnknownClassesAreAny) {
  const QualityTable table = published_priors();
  EXPECT_EQ(&table.of("no such class"), &table.classes.at(kAnyClass));
  EXPECT_EQ(&table.of("read"), &table.classes.at("read"));
}

TEST(QualityModel, PriorsBeginAtRestAndFall) {
  const QualityTable table = published_priors();
  EXPECT_FALSE(table.is_calibrated);
  for (const auto& [name, quality] : table.classes) {
    for (size_t i = 0; i < kNumLevers; ++i) {
      ASSERT_GT(quality.curves[i].size(), 1);
      EXPECT_EQ(quality.curves[i].front().value, Levers().values[i]);
      EXPECT_EQ(quality.curves[i].front().loss, 0);
      EXPECT_TRUE(std::ranges::is_sorted(quality.curves[i], {}, &LossPoint::loss)) << name;
    }
  }
}

}  // namespace
}  // namespace saccade
