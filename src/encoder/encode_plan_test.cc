// Every part of a plan, in every family, against testing/slow_encoder.h.
#include "encoder/encode_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "encoder/testing/slow_encoder.h"
#include "encoder/testing/tiny_vision_file.h"
#include "encoder/vision_encoder.h"

namespace saccade {
namespace {

using ::saccade::testing::kTinyDim;
using ::saccade::testing::kTinyModelDim;
using ::saccade::testing::SlowEncoder;
using ::saccade::testing::SlowGrid;
using ::saccade::testing::SlowToken;
using ::saccade::testing::TinyVisionFile;
using ::testing::HasSubstr;

struct FamilyCase {
  const char* name;
  SlowEncoder::Kind kind;
  TinyVisionFile (*make)();
  ImageSize picture;
};

void PrintTo(const FamilyCase& family_case, std::ostream* out) {
  *out << family_case.name;
}

class EncodePlanTest : public ::testing::TestWithParam<FamilyCase> {
 protected:
  void SetUp() override {
    auto encoder = VisionEncoder::load(file_.open(), kTinyModelDim);
    ASSERT_TRUE(encoder) << encoder.status().message();
    encoder_ = *std::move(encoder);
    pixels_ = prepare(GetParam().picture);
    const auto layout = encoder_->layout(GetParam().picture);
    ASSERT_TRUE(layout) << layout.status().message();
    for (const LayoutPiece& piece : *layout) {
      if (const auto* grid = std::get_if<TokenGrid>(&piece)) grids_.push_back(*grid);
    }
    for (const TokenGrid& grid : grids_) num_tokens_ += static_cast<size_t>(grid.num_tokens);
  }

  PixelBatch prepare(ImageSize size) {
    Image image{size.width, size.height, std::vector<uint8_t>(static_cast<size_t>(size.width * size.height * 3))};
    std::mt19937 random(5);
    for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random());
    auto pixels = prepare_pixels(at_full_size(std::move(image)), encoder_->pixel_spec(), pool_);
    EXPECT_TRUE(pixels) << pixels.status().message();
    return *std::move(pixels);
  }

  std::vector<MediaTokens> encode(const EncodePlan& plan) {
    auto pieces = encoder_->encode(pixels_, plan, pool_, trace_, nullptr);
    EXPECT_TRUE(pieces) << pieces.status().message();
    std::vector<MediaTokens> grids;
    if (!pieces) return grids;
    for (MediaPiece& piece : *pieces) {
      if (auto* tokens = std::get_if<MediaTokens>(&piece)) grids.push_back(std::move(*tokens));
    }
    return grids;
  }

  Status error(const EncodePlan& plan) {
    const auto pieces = encoder_->encode(pixels_, plan, pool_, trace_, nullptr);
    return pieces ? Status() : pieces.status();
  }

  /// A random share of the tokens.
  std::vector<uint8_t> mask(double share, unsigned seed = 7) const {
    std::mt19937 random(seed);
    std::vector<uint8_t> is_seen(num_tokens_);
    for (uint8_t& seen : is_seen) seen = std::bernoulli_distribution(share)(random) ? 1 : 0;
    is_seen[0] = 1;
    return is_seen;
  }

  std::vector<float> random_weights() const {
    std::mt19937 random(8);
    std::vector<float> weights(num_tokens_);
    for (float& weight : weights) weight = static_cast<float>(1 + random() % 4);
    return weights;
  }

  /// Runs the plan both ways.
  void check(EncodePlan plan) {
    plan.wants_class_attention = true;
    plan.wants_keys = true;
    const std::vector<MediaTokens> grids = encode(plan);
    const std::vector<SlowGrid> expected = SlowEncoder(file_, GetParam().kind).encode(pixels_, plan);
    ASSERT_EQ(grids.size(), expected.size());
    ASSERT_EQ(grids.size(), grids_.size());
    const bool stays_merged = !plan.merges.empty() && GetParam().kind == SlowEncoder::Kind::kLlava;
    const bool has_weights = !plan.weights.empty() || stays_merged;
    size_t first_token = 0;
    for (size_t grid = 0; grid < grids.size(); ++grid) {
      SCOPED_TRACE("grid " + std::to_string(grid));
      check_grid(grids[grid], expected[grid], grids_[grid], has_weights);
      EXPECT_TRUE(stays_merged || grids[grid].shown_by.empty());
      if (!grids[grid].shown_by.empty()) check_shown_by(grids[grid], plan, first_token);
      first_token += static_cast<size_t>(grids_[grid].num_tokens);
    }
  }

  /// What a token stands for is what is shown by it.
  static void check_shown_by(const MediaTokens& tokens, const EncodePlan& plan, size_t first_token) {
    std::vector<float> sums(tokens.shown_by.size(), 0.0F);
    for (size_t i = 0; i < tokens.shown_by.size(); ++i) {
      const size_t token = first_token + i;
      const bool is_fixed = tokens.shown_by[i] == static_cast<int32_t>(i);
      if (!plan.is_seen.empty() && plan.is_seen[token] == 0 && !is_fixed) {
        EXPECT_EQ(tokens.shown_by[i], kNotLookedAt);
      } else if (tokens.shown_by[i] != kNotLookedAt) {
        sums[static_cast<size_t>(tokens.shown_by[i])] += plan.weights.empty() ? 1 : plan.weights[token];
      }
    }
    for (size_t i = 0; i < tokens.places.size(); ++i) {
      if (!tokens.is_fixed.empty() && tokens.is_fixed[i] != 0) continue;
      const auto cell = static_cast<size_t>(tokens.cells.empty() ? static_cast<int32_t>(i) : tokens.cells[i]);
      EXPECT_NEAR(sums[cell], tokens.weights[i], 1e-4) << "cell " << cell;
      sums[cell] = 0;
    }
    if (tokens.is_fixed.empty()) {
      EXPECT_THAT(sums, ::testing::Each(0.0F));
    }
  }

  static void check_grid(const MediaTokens& tokens, const SlowGrid& expected, const TokenGrid& grid, bool has_weights) {
    ASSERT_EQ(tokens.vectors.shape(), (Shape{static_cast<int64_t>(expected.size()), kTinyModelDim}));
    ASSERT_EQ(tokens.places.size(), expected.size());
    EXPECT_EQ(tokens.extent, grid.extent);
    const bool is_whole = static_cast<int>(expected.size()) == grid.num_tokens;
    EXPECT_EQ(tokens.cells.size(), is_whole ? 0 : expected.size());
    EXPECT_EQ(tokens.weights.empty(), !has_weights || expected.empty());
    ASSERT_EQ(tokens.class_attention.size(), expected.size());
    ASSERT_EQ(tokens.keys.shape(), (Shape{static_cast<int64_t>(expected.size()), kTinyDim}));
    for (size_t i = 0; i < expected.size(); ++i) {
      const SlowToken& token = expected[i];
      SCOPED_TRACE("cell " + std::to_string(token.cell));
      ASSERT_EQ(is_whole ? static_cast<int>(i) : tokens.cells[i], token.cell);
      EXPECT_EQ(tokens.places[i], (Place{0, token.cell / grid.extent.x, token.cell % grid.extent.x}));
      EXPECT_EQ(!tokens.is_fixed.empty() && tokens.is_fixed[i] != 0, token.is_fixed);
      EXPECT_NEAR(tokens.weights.empty() ? 1 : double{tokens.weights[i]}, token.weight, 1e-4);
      EXPECT_NEAR(double{tokens.class_attention[i]}, token.attention, 1e-5);
      for (size_t c = 0; c < kTinyDim; ++c) {
        ASSERT_NEAR(double{tokens.keys.row(static_cast<int64_t>(i))[c]}, token.key[c], 1e-4);
      }
      for (size_t c = 0; c < kTinyModelDim; ++c) {
        ASSERT_NEAR(double{tokens.vectors.row(static_cast<int64_t>(i))[c]}, token.vector[c], 2e-4) << "element " << c;
      }
    }
  }

  static std::vector<float> vectors_of(const std::vector<MediaTokens>& grids) {
    std::vector<float> all;
    for (const MediaTokens& tokens : grids) {
      all.insert(all.end(), tokens.vectors.floats().begin(), tokens.vectors.floats().end());
    }
    return all;
  }

  const TinyVisionFile file_ = GetParam().make();
  std::unique_ptr<VisionEncoder> encoder_;
  ThreadPool pool_{2};
  PixelBatch pixels_;
  std::vector<TokenGrid> grids_;
  size_t num_tokens_ = 0;
  EncodeTrace trace_;
};

// Rows of a tile: 36 patches and a class row, four tiles and a view of all (nothing of it padding), tiles of 36
// patches, 48 patches, the same in windows.
INSTANTIATE_TEST_SUITE_P(
    EncodePlan, EncodePlanTest,
    ::testing::Values(
        FamilyCase{"Llava", SlowEncoder::Kind::kLlava, [] { return TinyVisionFile::llava(2, 12); }, {20, 20}},
        FamilyCase{"LlavaAnyres", SlowEncoder::Kind::kLlava, [] { return TinyVisionFile::llava_anyres(12); }, {24, 24}},
        FamilyCase{
            "LlavaAnyresCropped", SlowEncoder::Kind::kLlava, [] { return TinyVisionFile::llava_anyres(12); }, {50, 12}},
        FamilyCase{"SmolVlm", SlowEncoder::Kind::kSmolVlm, [] { return TinyVisionFile::smolvlm(2, 12); }, {40, 10}},
        FamilyCase{"Qwen2Vl", SlowEncoder::Kind::kQwen2Vl, [] { return TinyVisionFile::qwen2_vl(); }, {20, 10}},
        FamilyCase{"Qwen25Vl", SlowEncoder::Kind::kQwen25Vl, TinyVisionFile::qwen2_5_vl, {20, 10}}),
    [](const auto& test) { return test.param.name; });

TEST_P(EncodePlanTest, FullAgreesWithTheSlowEncoder) {
  check({});
}

TEST_P(EncodePlanTest, SeeingAllWithWeightsOfOneChangesNoBit) {
  const std::vector<float> expected = vectors_of(encode({}));
  EncodePlan plan;
  plan.is_seen.assign(num_tokens_, 1);
  plan.weights.assign(num_tokens_, 1.0F);
  plan.merges = {0};
  EXPECT_EQ(vectors_of(encode(plan)), expected);
}

TEST_P(EncodePlanTest, UnseenTokensNeverEnter) {
  for (const double share : {0.0, 0.2, 0.5, 0.9}) {
    SCOPED_TRACE(share);
    EncodePlan plan;
    plan.is_seen = mask(share);
    check(plan);
  }
}

TEST_P(EncodePlanTest, UnseenTokensCostNothing) {
  ASSERT_FALSE(encode({}).empty());
  const double whole = trace_.multiply_adds;
  EncodePlan plan;
  plan.is_seen.assign(num_tokens_, 0);
  for (size_t i = 0; i < num_tokens_ / 2; ++i) plan.is_seen[i] = 1;
  ASSERT_FALSE(encode(plan).empty());
  EXPECT_LT(trace_.multiply_adds, 0.6 * whole);
  EXPECT_GT(trace_.multiply_adds, 0.3 * whole);
}

TEST_P(EncodePlanTest, WeightsAreProportionalAttention) {
  EncodePlan plan;
  plan.weights = random_weights();
  check(plan);
  plan.is_seen = mask(0.6);
  for (size_t i = 0; i < num_tokens_; ++i) {
    if (plan.is_seen[i] == 0) plan.weights[i] = NAN;  // not read
  }
  check(plan);
}

TEST_P(EncodePlanTest, MergesPatches) {
  for (const int num_merges : {1, 3, 1000}) {
    SCOPED_TRACE(num_merges);
    EncodePlan plan;
    plan.merges = {num_merges};
    check(plan);
  }
  EncodePlan late;
  late.merges = {0, 7};
  check(late);
  late.weights = random_weights();
  late.is_seen = mask(0.9);
  check(late);
}

TEST_P(EncodePlanTest, DropsPatchesAndRestoresThem) {
  for (const double share : {0.01, 0.35, 1.0}) {
    SCOPED_TRACE(share);
    EncodePlan plan;
    plan.drop = LayerDrop{1, share, 3};
    check(plan);
    plan.is_seen = mask(0.5);
    plan.weights = random_weights();
    check(plan);
  }
}

TEST_P(EncodePlanTest, LeavesLayersOut) {
  ASSERT_EQ(encoder_->num_layers(), 2);
  for (const std::vector<uint8_t>& runs : {std::vector<uint8_t>{1, 0}, {0, 1}, {1, 1}}) {
    EncodePlan plan;
    plan.runs_layer = runs;
    check(plan);
  }
}

TEST_P(EncodePlanTest, CountsWhatItDoes) {
  // Progress foresees the work, but for attention in windows that rows merge in.
  std::vector<EncodePlan> plans(4);
  plans[1].is_seen = mask(0.5);
  plans[2].merges = {3, 2};
  plans[3].drop = LayerDrop{1, 0.5, 3};
  double whole = 0;
  for (size_t i = 0; i < plans.size(); ++i) {
    SCOPED_TRACE(i);
    std::vector<double> shares;
    const auto pieces = encoder_->encode(pixels_, plans[i], pool_, trace_, [&](double share) {
      shares.push_back(share);
      return true;
    });
    ASSERT_TRUE(pieces) << pieces.status().message();
    EXPECT_TRUE(std::ranges::is_sorted(shares));
    EXPECT_EQ(shares.back(), 1);
    EXPECT_LT(shares[shares.size() - 2], 1);
    if (i == 0) whole = trace_.multiply_adds;
    EXPECT_EQ(trace_.multiply_adds<whole, i> 0);
  }
}

TEST_P(EncodePlanTest, StopsInTheMiddle) {
  EncodePlan plan;
  plan.is_seen = mask(0.7);
  plan.merges = {2};
  const auto stopped = encoder_->encode(pixels_, plan, pool_, trace_, [](double share) { return share < 0.5; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.status().code(), StatusCode::kCancelled);
}

TEST_P(EncodePlanTest, GivesNothingThatWasNotAskedFor) {
  for (const MediaTokens& tokens : encode({})) {
    EXPECT_TRUE(tokens.class_attention.empty());
    EXPECT_TRUE(tokens.keys.is_empty());
    EXPECT_TRUE(tokens.weights.empty());
    EXPECT_TRUE(tokens.cells.empty());
  }
}

TEST_P(EncodePlanTest, RefusesWhatCannotBeCarriedOut) {
  EncodePlan plan;
  plan.is_seen.assign(num_tokens_ + 1, 1);
  EXPECT_THAT(error(plan).message(), HasSubstr("a mask for"));
  plan.is_seen.assign(num_tokens_, 0);
  EXPECT_THAT(error(plan).message(), HasSubstr("sees nothing"));
  plan = {};
  plan.weights.assign(num_tokens_, 1.0F);
  plan.weights[1] = 0;
  EXPECT_THAT(error(plan).message(), HasSubstr("token 1 the weight 0"));
  plan = {};
  plan.runs_layer = {1};
  EXPECT_THAT(error(plan).message(), HasSubstr("1 layers, where the tower has 2"));
  plan.runs_layer = {0, 0};
  EXPECT_THAT(error(plan).message(), HasSubstr("runs no layer"));
  plan = {};
  plan.merges = {-1};
  EXPECT_THAT(error(plan).message(), HasSubstr("merges -1 pairs"));
  plan.merges = {1};
  plan.drop = LayerDrop{1, 0.5, 3};
  EXPECT_EQ(error(plan).code(), StatusCode::kUnsupported);
  plan.merges = {};
  plan.drop = LayerDrop{0, 0.5, 3};
  EXPECT_THAT(error(plan).message(), HasSubstr("ahead of layer 0"));
  plan.drop = LayerDrop{1, 0, 3};
  EXPECT_EQ(error(plan).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace saccade
