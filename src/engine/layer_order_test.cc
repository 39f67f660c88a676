#include "engine/layer_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/format.h"

namespace saccade {
namespace {

using ::testing::HasSubstr;

Expected<std::vector<int64_t>> read(const std::string& text) {
  const std::string path = format("%slayer_order_%d.json", ::testing::TempDir().c_str(), static_cast<int>(getpid()));
  std::ofstream(path) << text;
  auto order = read_layer_order(path, 3);
  std::remove(path.c_str());
  return order;
}

TEST(LayerOrder, IsReadFromTheFileBesideTheModel) {
  EXPECT_EQ(layer_order_path("models/a.gguf"), "models/a.gguf.layers.json");
  EXPECT_EQ(*read(R"({"order": [2, 0, 1], "num_items": 4})"), (std::vector<int64_t>{2, 0, 1}));
}

TEST(LayerOrder, IsEmptyWithoutAFile) {
  const auto order = read_layer_order("/nonexistent/a.gguf.layers.json", 3);
  ASSERT_TRUE(order);
  EXPECT_TRUE(order->empty());
}

TEST(LayerOrder, RefusesWhatIsNoOrder) {
  for (const char* text : {R"({"order": [0, 1]})", R"({"order": [0, 1, 1]})", R"({"order": [0, 1, 3]})",
                           R"({"order": [0, 1, 2.5]})", R"({"order": 3})", R"({})", "no JSON"}) {
    const auto order = read(text);
    ASSERT_FALSE(order) << text;
    EXPECT_EQ(order.status().code(), StatusCode::kCorruptData) << text;
    EXPECT_THAT(order.status().message(), HasSubstr("layer_order_")) << text;
  }
}

TEST(LayerOrder, DivergenceIsThatOfTheDistributions) {
  const std::vector<float> p = {std::log(1.0F), std::log(3.0F)};
  const std::vector<float> q = {std::log(2.0F) + 5, std::log(2.0F) + 5};
  EXPECT_NEAR(divergence(p, q), 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-6);
  EXPECT_NEAR(divergence(p, p), 0, 1e-9);
}

}  // namespace
}  // namespace saccade
