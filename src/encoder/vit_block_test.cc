#include "encoder/vit_block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "encoder/testing/tiny_vision_file.h"

namespace saccade {
namespace {

using ::saccade::testing::kTinyDim;
using ::saccade::testing::TinyVisionFile;

class VitBlockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const TensorSource tensors(files_.vision_file());
    const auto config = read_vision_config(files_.vision_metadata(), Activation::kGelu);
    ASSERT_TRUE(config) << config.status().message();
    auto block = load_vit_block(tensors, 0, *config, {});
    ASSERT_TRUE(block) << block.status().message();
    block_ = *std::move(block);
    for (size_t i = 0; i < hidden_.floats().size(); ++i) {
      hidden_.floats()[i] = std::sin(0.37F * static_cast<float>(i));
    }
  }

  Expected<std::vector<float>> run(const ProgressFunction& report, double piece_work) {
    Tensor hidden = hidden_.clone();
    VitWorkspace workspace(kNumRows, block_);
    WorkProgress progress(report, block_work(block_, ranges_), piece_work);
    SACCADE_RETURN_IF_ERROR(run_vit_block(pool_, block_, {ranges_, {}, nullptr}, workspace, hidden, progress));
    return std::vector<float>(hidden.floats().begin(), hidden.floats().end());
  }

  static constexpr int64_t kNumRows = 300;
  const ModelFiles files_ = TinyVisionFile::llava().open();
  const std::vector<RowRange> ranges_ = {{0, 200}, {200, 300}};
  ThreadPool pool_{2};
  VitBlock block_;
  Tensor hidden_{Shape{kNumRows, kTinyDim}};
};

TEST_F(VitBlockTest, CountsItsWork) {
  // Four square layers and two to and from 12 for every row; scores and values against 200 and 100 keys.
  EXPECT_EQ(block_work(block_, ranges_), 300 * (4 * 64 + 2 * 96) + (200 * 200 + 100 * 100) * 2 * 8);
}

TEST_F(VitBlockTest, PiecesDoNotChangeTheResult) {
  std::vector<double> fractions;
  const auto record = [&](double fraction) {
    fractions.push_back(fraction);
    return true;
  };
  const auto whole = run(nullptr, 1e12);
  const auto in_pieces = run(record, 1);  // as small as they get: one row, or one block of attention's
  ASSERT_TRUE(whole && in_pieces);
  EXPECT_THAT(*in_pieces, ::testing::Pointwise(::testing::FloatNear(1e-5F), *whole));
  EXPECT_GT(fractions.size(), 300U);
  EXPECT_TRUE(std::ranges::is_sorted(fractions));
  EXPECT_DOUBLE_EQ(fractions.back(), 1);
}

TEST_F(VitBlockTest, StopsInTheMiddleOfALayer) {
  double last = 0;
  const auto stopped = run(
      [&](double fraction) {
        last = fraction;
        return fraction < 0.5;
      },
      1000);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.status().code(), StatusCode::kCancelled);
  EXPECT_NEAR(last, 0.5, 0.1);  // a block of attention's rows is the largest piece, 8 % of this layer
}

}  // namespace
}  // namespace saccade
