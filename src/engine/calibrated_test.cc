// The quality that was measured of the small model, through the engine: a floor becomes a certified plan.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/model.h"
#include "engine/planning.h"
#include "planner/certificate.h"
#include "saccade/engine.h"

namespace saccade {
namespace {

const std::string kModel = std::string(SACCADE_SOURCE_DIR) + "/models/saccade-mini.gguf";

TEST(Calibrated, TheSmallModelsTableCoversItsLevers) {
  const auto model = Model::load(kModel, "");
  ASSERT_TRUE(model) << model.status().message();
  const auto planning = make_uncalibrated_planning(*model, DType::kF16);
  ASSERT_TRUE(planning) << planning.status().message();
  EXPECT_FALSE(planning->quality.is_calibrated);
  const auto table = read_quality_file(quality_file_path(kModel), measured_model(*model));
  ASSERT_TRUE(table && *table) << table.status().message();
  const QualityTable& quality = **table;
  EXPECT_TRUE(quality.is_calibrated);
  for (const auto& [name, measured] : quality.classes) {
    ASSERT_FALSE(measured.ladder.empty()) << name;
    for (const LadderRung& rung : measured.ladder) EXPECT_FALSE(rung.levers.is_full()) << name;
    for (size_t i = 0; i < kNumLevers; ++i) {
      const std::vector<double>& options = planning->options[i];
      EXPECT_EQ(measured.curves[i].front().value, Levers().values[i]) << name;
      for (const double option : options) EXPECT_LT(expected_loss(measured, static_cast<Lever>(i), option), 1) << name;
    }
  }
}

TEST(Calibrated, AFloorOfQualityBecomesACertifiedPlan) {
  EngineOptions options;
  options.model_path = kModel;
  const auto engine = Engine::load(options);
  ASSERT_TRUE(engine) << engine.status().message();
  Request request;
  request.messages.resize(1);
  request.messages[0].role = "user";
  request.messages[0].content = {
      {ContentPart::Kind::kImage, "", std::string(SACCADE_SOURCE_DIR) + "/samples/demo/receipt.png", {}},
      {ContentPart::Kind::kText, "What is the total?", "", {}}};
  request.budget.min_quality = 0.95;
  const auto answer = (*engine)->answer(request);
  ASSERT_TRUE(answer) << answer.status().message();
  ASSERT_TRUE(answer->receipt.budget);
  const QualityClaim& claim = answer->receipt.budget->claim;
  EXPECT_EQ(claim.kind, QualityClaim::Kind::kCertified);
  EXPECT_NEAR(claim.epsilon, 0.05, 1e-9);
  EXPECT_EQ(claim.delta, 0.05);
  EXPECT_GT(claim.num_questions, 50);
  EXPECT_NE(answer->receipt.plan, "full");
  EXPECT_EQ(answer->text, "149.80");
}

}  // namespace
}  // namespace saccade
