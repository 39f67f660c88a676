// The tables against the formulas of the papers, computed here from their text.
#include "decoder/rope_table.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>
#include <vector>

namespace saccade {
namespace {

constexpr int64_t kNumPairs = 8;
constexpr double kBase = 10000;

RopeConfig plain() {
  RopeConfig config;
  config.rotary_dim = 2 * kNumPairs;
  config.base = kBase;
  return config;
}

// theta_i = base^(-2 i / d) (RoFormer, arXiv 2104.09864, section 3.2.2).
double theta(int64_t pair, double base = kBase) {
  return std::pow(base, -2.0 * static_cast<double>(pair) / (2.0 * kNumPairs));
}

struct Rotation {
  double angle;
  double magnitude;
};

// Angles are read at position 1, where all are under pi.
std::vector<Rotation> rotations(const RopeConfig& config) {
  const RopeTable table(config);
  EXPECT_EQ(table.num_pairs(), kNumPairs);
  const TokenPosition one = {1, 1, 1};
  const RopeTable::Rows rows = table.rows({&one, 1});
  std::vector<Rotation> result;
  for (int64_t pair = 0; pair < kNumPairs; ++pair) {
    const double cosine = static_cast<double>(rows.cosine.row(0)[pair]);
    const double sine = static_cast<double>(rows.sine.row(0)[pair]);
    result.push_back({std::atan2(sine, cosine), std::hypot(cosine, sine)});
  }
  return result;
}

TEST(RopeTable, AnglesArePositionTimesTheta) {
  const std::vector<TokenPosition> positions = {{0, 0, 0}, {1, 1, 1}, {1000, 1000, 1000}};
  const RopeTable::Rows rows = RopeTable(plain()).rows(positions);
  for (int64_t row = 0; row < 3; ++row) {
    for (int64_t pair = 0; pair < kNumPairs; ++pair) {
      const double angle = positions[static_cast<size_t>(row)].t * theta(pair);
      // At 1000 the f32 frequency's last bit is worth 1000 * 2^-24.
      EXPECT_NEAR(rows.cosine.row(row)[pair], std::cos(angle), 1e-4);
      EXPECT_NEAR(rows.sine.row(row)[pair], std::sin(angle), 1e-4);
    }
  }
}

// Position interpolation (arXiv 2306.15595, equation 4): position m becomes m L / L'.
TEST(RopeTable, LinearScalingDividesPositions) {
  RopeConfig config = plain();
  config.scaling = RopeScaling::kLinear;
  config.factor = 4;
  const auto found = rotations(config);
  for (int64_t pair = 0; pair < kNumPairs; ++pair) {
    EXPECT_NEAR(found[pair].angle, theta(pair) / 4, 1e-6 * theta(pair));
    EXPECT_NEAR(found[pair].magnitude, 1, 1e-6);
  }
}

// "NTK-aware" interpolation changes the base alone: b' = b s^(d / (d - 2)) (arXiv 2309.00071, section 3.1), so that the
// last pair is interpolated by s and the first not at all.
TEST(RopeTable, AnNtkBaseInterpolatesTheSlowestPairOnly) {
  constexpr double kScale = 8;
  RopeConfig config = plain();
  config.base = static_cast<float>(kBase * std::pow(kScale, 16.0 / 14.0));
  const auto found = rotations(config);
  EXPECT_NEAR(found[0].angle, theta(0), 1e-6);
  EXPECT_NEAR(found[kNumPairs - 1].angle / (theta(kNumPairs - 1) / kScale), 1, 1e-5);
}

// Llama 3.1's divisors stand in the file.
TEST(RopeTable, FrequencyFactorsDivide) {
  RopeConfig config = plain();
  config.frequency_factors = {1, 1, 1, 1.5F, 4, 8, 8, 8};
  const auto found = rotations(config);
  for (size_t pair = 0; pair < kNumPairs; ++pair) {
    const double expected = theta(static_cast<int64_t>(pair)) / static_cast<double>(config.frequency_factors[pair]);
    EXPECT_NEAR(found[pair].angle / expected, 1, 1e-5);
  }
}

RopeConfig yarn() {
  RopeConfig config = plain();
  config.scaling = RopeScaling::kYarn;
  config.factor = 4;
  config.original_context_length = 2048;
  return config;
}

// YaRN (arXiv 2309.00071, section 3.2): r = L / wavelength turns over the original context; over beta of them a pair
// stays as it is, under alpha it is interpolated, between them it is blended. Section 3.4: 0.1 ln(s) + 1 on both sine
// and cosine.
TEST(RopeTable, YarnKeepsFastPairsAndInterpolatesSlowOnes) {
  const RopeConfig config = yarn();
  const auto found = rotations(config);
  int num_kept = 0;
  int num_interpolated = 0;
  int num_blended = 0;
  for (int64_t pair = 0; pair < kNumPairs; ++pair) {
    const double turns = 2048 * theta(pair) / (2 * std::numbers::pi);
    const double ratio = found[pair].angle / theta(pair);
    if (turns > 32) {
      ++num_kept;
      EXPECT_NEAR(ratio, 1, 1e-5) << pair;
    } else if (turns < 1) {
      ++num_interpolated;
      EXPECT_NEAR(ratio, 0.25, 1e-5) << pair;
    } else {
      ++num_blended;
      EXPECT_LT(ratio, 1) << pair;
      EXPECT_GT(ratio, 0.25) << pair;
    }
    EXPECT_NEAR(found[pair].magnitude, 0.1 * std::log(4.0) + 1, 1e-5);
  }
  EXPECT_EQ(num_kept, 3);
  EXPECT_EQ(num_blended, 3);
  EXPECT_EQ(num_interpolated, 2);
}

// The paper ramps over turns, its authors' code over the pair's index; models are trained with the latter. From
// transformers 5, modeling_rope_utils, for this configuration.
TEST(RopeTable, YarnBlendsAsItsAuthorsDo) {
  constexpr std::array kFrequencies = {1.0,          0.316227764,   0.1,          0.025693506,
                                       0.0062499996, 0.00138349656, 0.0002500000, 0.0000790569466};
  const auto found = rotations(yarn());
  for (size_t pair = 0; pair < kFrequencies.size(); ++pair) {
    EXPECT_NEAR(found[pair].angle / kFrequencies[pair], 1, 1e-5) << pair;
  }
}

TEST(RopeTable, YarnsMagnitudeIsMultipliedAndOneWithoutStretching) {
  RopeConfig config = yarn();
  config.attention_factor = 0.5F;
  EXPECT_NEAR(rotations(config)[0].magnitude, 0.5 * (0.1 * std::log(4.0) + 1), 1e-5);
  config.factor = 1;
  EXPECT_NEAR(rotations(config)[0].magnitude, 0.5, 1e-6);
}

// M-RoPE (Qwen2-VL, arXiv 2409.12191, section 2.1): the pairs are split over time, row and column, each with the
// frequency that its index has in the whole.
TEST(RopeTable, SectionsFollowTimeRowAndColumn) {
  RopeConfig config = plain();
  config.sections = {2, 3, 3};
  const TokenPosition position = {1, 2, 3};
  const RopeTable::Rows rows = RopeTable(config).rows({&position, 1});
  constexpr std::array<int, kNumPairs> kCoordinates = {1, 1, 2, 2, 2, 3, 3, 3};
  for (int64_t pair = 0; pair < kNumPairs; ++pair) {
    const double angle = kCoordinates[static_cast<size_t>(pair)] * theta(pair);
    EXPECT_NEAR(rows.cosine.row(0)[pair], std::cos(angle), 1e-6) << pair;
    EXPECT_NEAR(rows.sine.row(0)[pair], std::sin(angle), 1e-6) << pair;
  }
}

TEST(RopeTable, WithoutSectionsOnlyTCounts) {
  const std::vector<TokenPosition> positions = {{5, 5, 5}, {5, 70, 900}};
  const RopeTable::Rows rows = RopeTable(plain()).rows(positions);
  for (int64_t pair = 0; pair < kNumPairs; ++pair) EXPECT_EQ(rows.sine.row(0)[pair], rows.sine.row(1)[pair]);
}

}  // namespace
}  // namespace saccade
