#include "engine/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/model_shape.h"
#include "engine/testing/family_test.h"

namespace saccade {
namespace {

using testing::FamilyTest;

// What receipts count: products with weights, and attention.
double counted(const StageCost& stage) {
  double flops = 0;
  for (const OperatorCost& op : stage.operators) {
    if (op.kind == OperatorKind::kLinear || op.kind == OperatorKind::kAttention) flops += op.flops;
  }
  return flops;
}

Receipt ask_by_plan(const std::string& model_path, ContentPart picture, const Plan& plan) {
  EngineOptions options;
  options.model_path = model_path;
  options.threads = 2;
  options.kv_type = KvType::kF32;
  options.speculates = false;
  auto engine = Engine::load(options);
  EXPECT_TRUE(engine) << engine.status().message();
  Request request;
  request.messages.push_back({"user", {std::move(picture), testing::text_part("What is it?")}});
  request.plan = plan;
  request.max_tokens = 16;
  auto answer = (*engine)->answer(request);
  EXPECT_TRUE(answer) << answer.status().message();
  return answer ? answer->receipt : Receipt();
}

// A spec of that request, by what its receipt says.
WorkloadSpec spec_of(const Model& model, const ModelShape& shape, const Receipt& receipt, const Plan& plan) {
  WorkloadSpec spec;
  spec.plan = plan;
  spec.picture = {receipt.pictures[0].width, receipt.pictures[0].height};
  spec.generated_tokens = receipt.tokens.generated;
  spec.prompt_tokens = 1;
  const auto sized = size_workload(model, shape, spec);
  EXPECT_TRUE(sized) << sized.status().message();
  if (sized) spec.prompt_tokens += receipt.tokens.text + receipt.tokens.budget - sized->text_tokens;
  return spec;
}

void expect_counted(const std::string& model_path, const ContentPart& picture, const Plan& plan,
                    double tolerance = 0.01) {
  const Receipt receipt = ask_by_plan(model_path, picture, plan);
  SCOPED_TRACE(receipt.plan);
  const auto model = open_for_analysis(model_path);
  ASSERT_TRUE(model) << model.status().message();
  const ModelShape shape = shape_of(*model, DType::kF32);
  const auto sized = size_workload(*model, shape, spec_of(*model, shape, receipt, plan));
  ASSERT_TRUE(sized) << sized.status().message();
  EXPECT_EQ(sized->laid_out_tokens, receipt.pictures[0].laid_out_tokens);
  EXPECT_EQ(sized->visual_tokens, receipt.tokens.visual);
  const WorkloadCost cost = cost_of(shape, sized->workload, unmeasured_processor(), unmeasured_processor());
  const double encode = counted(cost.encode) + counted(cost.project);
  EXPECT_NEAR(encode, receipt.flops.encode, tolerance * receipt.flops.encode);
  EXPECT_NEAR(counted(cost.prefill), receipt.flops.prefill, tolerance * receipt.flops.prefill);
  EXPECT_NEAR(cost.decoded_tokens * counted(cost.token), receipt.flops.decode, tolerance * receipt.flops.decode);
}

class ClosedForms : public FamilyTest {
 protected:
  void expect_counted(const Plan& plan, double tolerance = 0.01) {
    saccade::expect_counted(model_->path(), picture_part(0), plan, tolerance);
  }
};

TEST_P(ClosedForms, EqualWhatTheFullPlanCounts) {
  expect_counted({});
}

TEST_P(ClosedForms, EqualWhatFewerTokensAndLayersCount) {
  Plan kept;
  kept.keep_share = 0.5;
  kept.strategy = "uniform";
  expect_counted(kept);
  Plan skipping;
  skipping.skipped_layers = {1};
  expect_counted(skipping);
  Plan coarse;
  coarse.scale = 0.5;
  expect_counted(coarse);
}

TEST_P(ClosedForms, EqualWhatPrunedAndFrozenRowsCount) {
  Plan pruned;
  pruned.prunings = {{1, 0.5, false}};
  expect_counted(pruned);
  Plan frozen;
  frozen.frozen_layers = {0};
  expect_counted(frozen, 0.03);  // where in the prompt text stands is not known
}

// Patches that equal their neighbours are not looked at: how many is the picture's to say, what they save is not.
TEST_P(ClosedForms, EqualWhatSkippedPatchesCount) {
  Plan plan;
  plan.skip_equal = 8;
  plan.skip_equal_margin = 0;
  const Receipt receipt = ask_by_plan(model_->path(), picture_part(0), plan);
  const auto model = open_for_analysis(model_->path());
  ASSERT_TRUE(model);
  const ModelShape shape = shape_of(*model, DType::kF32);
  Workload workload;
  TowerLoad load;
  const ImageSize size = {receipt.pictures[0].width, receipt.pictures[0].height};
  const auto layout = plan_pixels(size, model->vision->pixel_spec());
  ASSERT_TRUE(layout);
  const auto num_newlines = std::ranges::count(model->vision->token_cells(size, *layout), -1);
  load.num_tokens = static_cast<double>(receipt.pictures[0].encoded_tokens - num_newlines);
  load.num_patches = load.num_tokens * static_cast<double>(shape.tower->patches_per_token);
  load.num_tiles = receipt.pictures[0].num_tiles;
  load.layers = static_cast<double>(shape.tower->num_layers);
  workload.tower = load;
  const WorkloadCost cost = cost_of(shape, workload, unmeasured_processor(), unmeasured_processor());
  EXPECT_NEAR(counted(cost.encode) + counted(cost.project), receipt.flops.encode, 0.03 * receipt.flops.encode);
}

// Models that learned to do with fewer layers: the small one, whose orders are fixed, and AdaLLaVA, which picks.
TEST(ClosedFormsOfBudgets, EqualWhatTheSmallModelCounts) {
  const std::string root = SACCADE_SOURCE_DIR;
  const ContentPart picture = {ContentPart::Kind::kImage, "", root + "/samples/demo/receipt.png", {}};
  Plan plan;
  plan.layers = 0.5;
  plan.encoder_layers = 0.7;
  plan.keep = 144;
  expect_counted(root + "/models/saccade-mini.gguf", picture, {});
  expect_counted(root + "/models/saccade-mini.gguf", picture, plan, 0.02);  // divprune looks at keys
}

TEST(ClosedFormsOfBudgets, EqualWhatAdaLlavaCounts) {
  const std::string root = std::string(SACCADE_SOURCE_DIR) + "/tests/parity/data/ada_llava/";
  for (const std::string variant : {"L", "H"}) {
    const auto model = testing::TemporaryModel::convert(root + variant + "/checkpoint", DType::kF32, root + "tower");
    ASSERT_TRUE(model) << model.status().message();
    const ContentPart picture = {ContentPart::Kind::kImage, "", root + variant + "/picture_0.png", {}};
    Plan plan;
    for (const double budget : {1.0, 0.85, 0.6}) {
      if (variant == "H" && budget < 1) continue;  // which layers lose heads is the picture's to say
      plan.layers = budget;
      expect_counted(model->path(), picture, plan, 0.02);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, ClosedForms,
                         ::testing::Values("llava", "llava_next", "smolvlm", "idefics3", "qwen2_vl", "qwen2_5_vl"),
                         testing::family_name);

}  // namespace
}  // namespace saccade
