#include "engine/skip_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weights/testing/tiny_model_file.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;

Expected<std::vector<int64_t>> read(const std::vector<int32_t>& order, int64_t num_layers) {
  testing::TinyModelFile file;
  file.keys.set_string("general.architecture", "llama");
  file.keys.set_i32s(std::string(kDecoderSkipOrderKey), order);
  file.add("token_embd.weight", Shape{2, 2});
  return read_skip_order(file.open().language_metadata(), kDecoderSkipOrderKey, num_layers);
}

TEST(SkipOrder, IsReadAndChecked) {
  EXPECT_EQ(*read({5, 3}, 6), (std::vector<int64_t>{5, 3}));
  for (const std::vector<int32_t>& wrong : {std::vector<int32_t>{6}, {-1}, {3, 3}}) {
    const auto order = read(wrong, 6);
    ASSERT_FALSE(order);
    EXPECT_EQ(order.status().code(), StatusCode::kCorruptData);
    EXPECT_THAT(order.status().message(), HasSubstr("saccade.decoder.skip_order"));
  }
  EXPECT_THAT(read({0, 1}, 2).status().message(), HasSubstr("leaves no layer"));
}

TEST(SkipOrder, IsEmptyWhereTheFileHasNone) {
  testing::TinyModelFile file;
  file.keys.set_string("general.architecture", "llama");
  file.add("token_embd.weight", Shape{2, 2});
  const auto order = read_skip_order(file.open().language_metadata(), kEncoderSkipOrderKey, 4);
  ASSERT_TRUE(order);
  EXPECT_TRUE(order->empty());
}

TEST(SkipOrder, AShareLeavesOutTheFirstOfTheOrderAndNeverTheOthers) {
  const std::vector<int64_t> order = {5, 3, 1};
  EXPECT_EQ(runs_by_order(order, 1.0, 6), (std::vector<uint8_t>{1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(runs_by_order(order, 0.9, 6), (std::vector<uint8_t>{1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(runs_by_order(order, 5.0 / 6, 6), (std::vector<uint8_t>{1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(runs_by_order(order, 0.5, 6), (std::vector<uint8_t>{1, 0, 1, 0, 1, 0}));
  EXPECT_EQ(runs_by_order(order, 0.1, 6), (std::vector<uint8_t>{1, 0, 1, 0, 1, 0}));
}

}  // namespace
}  // namespace saccade
