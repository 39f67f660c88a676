// AdaLLaVA: the plan of every budget, and what the answer then is, as tools/parity/ada_llava.py computed them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "decoder/decoder.h"
#include "decoder/layer_scheduler.h"
#include "decoder/sequence_plan.h"
#include "engine/testing/temporary_model.h"
#include "golden.h"
#include "run_case.h"
#include "saccade/engine.h"
#include "weights/json_text.h"

namespace saccade::parity {
namespace {

using ::saccade::testing::TemporaryModel;

const std::string kData = std::string(SACCADE_SOURCE_DIR) + "/tests/parity/data/ada_llava";
constexpr double kTolerance = 1e-4;  // tools/parity/README.md
constexpr int64_t kNumGreedy = 8;

std::string name_of(const ::testing::TestParamInfo<const char*>& parameter) {
  return parameter.param;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A question with what is expected of each number of layers, or units.
struct GoldenPlans {
  GoldenPlans(const GoldenTensors& tensors, const GoldenCase& golden)
      : units(tensors.bytes(golden.name + ".plans").value()), dims(tensors.dims(golden.name + ".plans").value()) {}

  int64_t num_plans() const { return dims[0]; }
  /// [num_heads]: heads, or groups of MLP neurons.
  std::vector<uint8_t> part(int64_t plan_idx, int64_t layer_idx, int64_t part_idx) const {
    const int64_t first = ((plan_idx * dims[1] + layer_idx) * 2 + part_idx) * dims[3];
    return {units.begin() + first, units.begin() + first + dims[3]};
  }

  std::vector<uint8_t> units;  // [num_plans, num_layers, 2, num_heads]
  std::vector<int64_t> dims;
};

template <typename T>
std::span<const T> row_of(const std::vector<T>& values, int64_t row_idx, int64_t width) {
  return std::span(values).subspan(static_cast<size_t>(row_idx * width), static_cast<size_t>(width));
}

class AdaLlavaParity : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    dir_ = kData + "/" + GetParam();
    auto family = GoldenFamily::open(dir_);
    ASSERT_TRUE(family) << family.status().message();
    family_ = *std::move(family);
    auto tensors = GoldenTensors::open(dir_ + "/golden.safetensors");
    ASSERT_TRUE(tensors) << tensors.status().message();
    tensors_ = *std::move(tensors);
    auto header = read_json_object(dir_ + "/case.json");
    ASSERT_TRUE(header) << header.status().message();
    for (const Json& budget : header->at("budgets")) {
      budgets_.emplace_back(budget[0].get<double>(), budget[1].get<int64_t>());
    }
    auto converted = TemporaryModel::convert(dir_ + "/checkpoint", DType::kF32, kData + "/tower");
    ASSERT_TRUE(converted) << converted.status().message();
    converted_ = std::make_unique<TemporaryModel>(*std::move(converted));
    auto model = Model::load(converted_->path(), "", &pool_);
    ASSERT_TRUE(model) << model.status().message();
    model_ = std::make_unique<Model>(*std::move(model));
    ASSERT_NE(model_->scheduler, nullptr);
  }

  bool picks_units() const { return std::string(GetParam()) == "H"; }

  std::unique_ptr<Engine> load_engine(KvType kv_type = KvType::kF32) const {
    EngineOptions options;
    options.model_path = converted_->path();
    options.threads = 2;
    options.kv_type = kv_type;
    auto engine = Engine::load(options);
    EXPECT_TRUE(engine) << engine.status().message();
    return *std::move(engine);
  }

  void expect_plan(const SequencePlan& plan, const GoldenPlans& golden, int64_t num_scheduled) const {
    const int64_t num_layers = golden.dims[1];
    for (int64_t layer = 0; layer < num_layers; ++layer) {
      const std::vector<uint8_t> heads = golden.part(num_scheduled, layer, 0);
      const std::vector<uint8_t> groups = golden.part(num_scheduled, layer, 1);
      EXPECT_EQ(plan.runs(layer), std::ranges::count(heads, 1) > 0) << "layer " << layer;
      if (!picks_units() || layer < model_->scheduler->num_prefix_layers()) continue;
      EXPECT_EQ(plan.units[static_cast<size_t>(layer)].heads, heads) << "layer " << layer;
      EXPECT_EQ(plan.units[static_cast<size_t>(layer)].groups, groups) << "layer " << layer;
    }
  }

  void expect_decodes(const PreparedCase& prepared, const GoldenCase& golden, const GoldenPlans& plans,
                      int64_t num_scheduled);

  std::string dir_;
  GoldenFamily family_;
  GoldenTensors tensors_;
  std::vector<std::pair<double, int64_t>> budgets_;  // share, layers or units
  ThreadPool pool_ = ThreadPool(2);
  std::unique_ptr<TemporaryModel> converted_;
  std::unique_ptr<Model> model_;
};

/// Prefill and greedy decoding with so many layers or units.
void AdaLlavaParity::expect_decodes(const PreparedCase& prepared, const GoldenCase& golden, const GoldenPlans& plans,
                                    int64_t num_scheduled) {
  const DecoderConfig& config = model_->decoder->config();
  Prompt prompt = prepared.prompt;
  prompt.add_budget_row();
  Tensor rows({prompt.num_rows(), config.model_dim});
  std::ranges::copy(prepared.rows.floats(), rows.floats().begin());
  model_->scheduler->embed_budget(num_scheduled, rows.row(prompt.num_rows() - 1));
  KvSequence kv =
      model_->decoder->make_sequence(std::make_shared<KvBlockPool>(config.kv_shape(DType::kF32), uint64_t{1} << 32));
  SequencePlan plan;
  plan.scheduler = model_->scheduler.get();
  plan.num_scheduled = num_scheduled;
  const auto forward = [&](const Tensor& more, std::span<const TokenPosition> positions) {
    ForwardArgs args;
    args.rows = &more;
    args.positions = positions;
    const SequenceRows sequence = {&kv, more.shape()[0], &plan};
    args.sequences = {&sequence, 1};
    return model_->decoder->forward(pool_, args).value();
  };
  Tensor logits = forward(rows, prompt.positions);
  expect_plan(plan, plans, num_scheduled);
  EXPECT_LE(relative_error(logits.floats(), row_of(golden.logits, num_scheduled, config.vocab_size)), kTolerance);
  std::vector<int32_t> greedy;
  while (true) {
    greedy.push_back(static_cast<int32_t>(std::ranges::max_element(logits.floats()) - logits.floats().begin()));
    if (std::ssize(greedy) == kNumGreedy) break;
    Tensor row({1, config.model_dim});
    model_->decoder->embed(greedy.back(), row.row(0));
    const int32_t position = prompt.next_position++;
    const TokenPosition place = {position, position, position};
    logits = forward(row, {&place, 1});
  }
  EXPECT_EQ(greedy, std::vector<int32_t>(row_of(golden.greedy, num_scheduled, kNumGreedy).begin(),
                                         row_of(golden.greedy, num_scheduled, kNumGreedy).end()));
  if (num_scheduled + 1 == plans.num_plans()) {
    EXPECT_LE(relative_error(logits.floats(), golden.last_logits), kTolerance);
  }
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    EXPECT_EQ(kv.num_tokens(layer), plan.runs(layer) ? kv.num_rows() : 0) << "layer " << layer;
  }
}

TEST_P(AdaLlavaParity, EveryPlanAndItsAnswerAgreeWithTheReference) {
  for (const GoldenCase& golden : family_.cases) {
    const GoldenPlans plans(tensors_, golden);
    ASSERT_EQ(plans.num_plans(), model_->scheduler->num_options() + 1);
    const auto prepared = prepare_case(*model_, pool_, golden);
    ASSERT_TRUE(prepared) << prepared.status().message();
    EXPECT_EQ(prepared->prompt.tokens, golden.tokens);  // both have -1 where a visual token stands
    for (int64_t num_scheduled = 0; num_scheduled < plans.num_plans(); ++num_scheduled) {
      SCOPED_TRACE(golden.name + ", " + std::to_string(num_scheduled));
      expect_decodes(*prepared, golden, plans, num_scheduled);
    }
  }
}

TEST_P(AdaLlavaParity, BudgetsAreAsManyLayersOrUnits) {
  ASSERT_EQ(budgets_.size(), 20U);
  for (const auto& [budget, num_scheduled] : budgets_) {
    EXPECT_EQ(model_->scheduler->num_scheduled(budget), num_scheduled) << budget;
  }
}

TEST_P(AdaLlavaParity, TheEngineAnswersEveryBudgetAsTheReference) {
  const std::unique_ptr<Engine> engine = load_engine();
  for (const GoldenCase& golden : family_.cases) {
    const GoldenPlans plans(tensors_, golden);
    for (const auto& [budget, num_scheduled] : budgets_) {
      SCOPED_TRACE(golden.name + ", " + std::to_string(budget));
      Request request = request_for(golden, kNumGreedy);
      request.plan.layers = budget;
      const auto answer = engine->answer(request);
      ASSERT_TRUE(answer) << answer.status().message();
      EXPECT_EQ(answer->text, text_of(*model_->tokenizer, row_of(golden.greedy, num_scheduled, kNumGreedy)));
      const Receipt& receipt = answer->receipt;
      EXPECT_EQ(receipt.tokens.generated, kNumGreedy);
      EXPECT_EQ(receipt.tokens.budget, 1);
      EXPECT_EQ(receipt.tokens.visual, std::ranges::count(golden.tokens, Prompt::kMediaRow));
      EXPECT_EQ(receipt.tokens.text + receipt.tokens.visual, std::ssize(golden.tokens));
      std::vector<int> layers;
      for (int layer = 0; layer < plans.dims[1]; ++layer) {
        if (std::ranges::count(plans.part(num_scheduled, layer, 0), 1) > 0) layers.push_back(layer);
      }
      EXPECT_EQ(receipt.decoder.layers, layers);
    }
    // Without a budget all layers run, behind the token that says so.
    const auto full = engine->answer(request_for(golden, kNumGreedy));
    ASSERT_TRUE(full) << full.status().message();
    EXPECT_EQ(full->text, text_of(*model_->tokenizer, row_of(golden.greedy, plans.num_plans() - 1, kNumGreedy)));
  }
}

TEST_P(AdaLlavaParity, AHalfPrecisionCacheBeginsTheSameAnswer) {
  const std::unique_ptr<Engine> engine = load_engine(KvType::kF16);
  for (const GoldenCase& golden : family_.cases) {
    const GoldenPlans plans(tensors_, golden);
    Request request = request_for(golden, 1);
    request.plan.layers = 0.75;
    const auto answer = engine->answer(request);
    ASSERT_TRUE(answer) << answer.status().message();
    const int64_t num_scheduled = model_->scheduler->num_scheduled(0.75);
    EXPECT_EQ(answer->text, text_of(*model_->tokenizer, row_of(golden.greedy, num_scheduled, kNumGreedy).first(1)));
  }
}

// Rows whose plans are the same leave the work out; with others beside them it is done and thrown away. In packed
// weights, of which panels are left out.
TEST_P(AdaLlavaParity, PlansTogetherAreAsEachAlone) {
  const auto converted = TemporaryModel::convert(dir_ + "/checkpoint", DType::kBF16, kData + "/tower");
  ASSERT_TRUE(converted) << converted.status().message();
  const auto model = Model::load(converted->path(), "", &pool_);
  ASSERT_TRUE(model) << model.status().message();
  const auto prepared = prepare_case(*model, pool_, family_.cases.front());
  ASSERT_TRUE(prepared) << prepared.status().message();
  const DecoderConfig& config = model->decoder->config();
  const int64_t num_rows = prepared->rows.shape()[0];
  const std::vector<int64_t> counts = {1, model->scheduler->num_options() / 2, model->scheduler->num_options() / 2};
  const auto kv_pool = std::make_shared<KvBlockPool>(config.kv_shape(DType::kF32), uint64_t{1} << 32);
  // The prompt of each, then a token of each, in one forward for those of `members`: the token's logits.
  const auto run = [&](const std::vector<size_t>& members) {
    std::vector<KvSequence> caches;
    std::vector<SequencePlan> plans(members.size());
    Tensor logits;
    for (size_t i = 0; i < members.size(); ++i) {
      caches.push_back(model->decoder->make_sequence(kv_pool));
      plans[i].scheduler = model->scheduler.get();
      plans[i].num_scheduled = counts[members[i]];
      ForwardArgs args;
      args.rows = &prepared->rows;
      args.positions = prepared->prompt.positions;
      const SequenceRows sequence = {&caches[i], num_rows, &plans[i]};
      args.sequences = {&sequence, 1};
      logits = model->decoder->forward(pool_, args).value();
    }
    Tensor rows({std::ssize(members), config.model_dim});
    std::vector<TokenPosition> positions;
    std::vector<SequenceRows> sequences;
    for (size_t i = 0; i < members.size(); ++i) {
      model->decoder->embed(100, rows.row(static_cast<int64_t>(i)));
      const int32_t position = prepared->prompt.next_position;
      positions.push_back({position, position, position});
      sequences.push_back({&caches[i], 1, &plans[i]});
    }
    ForwardArgs args;
    args.rows = &rows;
    args.positions = positions;
    args.sequences = sequences;
    args.num_logit_rows = std::ssize(members);
    return model->decoder->forward(pool_, args).value();
  };
  const Tensor together = run({0, 1, 2});
  for (size_t i = 0; i < counts.size(); ++i) {
    EXPECT_LE(relative_error(run({i}).floats(), together.row(static_cast<int64_t>(i))), kTolerance) << i;
  }
  const Tensor same = run({1, 2});
  EXPECT_LE(relative_error(same.row(0), together.row(1)), kTolerance);
  EXPECT_LE(relative_error(same.row(1), together.row(2)), kTolerance);
}

/// The checkpoint, had it been trained with PruMerge.
std::string with_token_selecting(const std::string& dir, const std::string& name) {
  const auto copy = std::filesystem::path(::testing::TempDir()) /
                    ("ada_" + std::filesystem::path(dir).filename().string() + name + std::to_string(getpid()));
  std::filesystem::remove_all(copy);
  std::filesystem::copy(dir + "/checkpoint", copy);
  std::string config = read_text((copy / "config.json").string());
  const std::string none = "\"token_selecting\": \"none\"";
  config.replace(config.find(none), none.size(), "\"token_selecting\": \"" + name + "\"");
  std::ofstream(copy / "config.json", std::ios::trunc) << config;
  return copy.string();
}

TEST_P(AdaLlavaParity, APruMergeCheckpointSelectsItsTokensWithoutBeingAsked) {
  const std::unique_ptr<Engine> plain = load_engine();
  for (const std::string name : {"prumerge", "prumerge+"}) {
    const auto converted = TemporaryModel::convert(with_token_selecting(dir_, name), DType::kF32, kData + "/tower");
    ASSERT_TRUE(converted) << converted.status().message();
    EngineOptions options;
    options.model_path = converted->path();
    options.kv_type = KvType::kF32;
    options.threads = 2;
    const auto selecting = Engine::load(options);
    ASSERT_TRUE(selecting) << selecting.status().message();
    for (const GoldenCase& golden : family_.cases) {
      SCOPED_TRACE(name + ", " + golden.name);
      Request request = request_for(golden, kNumGreedy);
      request.plan.layers = 0.75;
      const auto by_itself = (*selecting)->answer(request);
      ASSERT_TRUE(by_itself) << by_itself.status().message();
      Request asked = request;
      asked.plan.strategy = name;
      asked.plan.repacks_positions = true;
      const auto by_request = plain->answer(asked);
      ASSERT_TRUE(by_request) << by_request.status().message();
      EXPECT_EQ(by_itself->text, by_request->text);
      EXPECT_EQ(by_itself->receipt.tokens.visual, by_request->receipt.tokens.visual);
      for (const PictureReceipt& picture : by_itself->receipt.pictures) {
        EXPECT_GT(picture.visual_tokens, 0);
        EXPECT_LT(picture.visual_tokens, picture.laid_out_tokens);
      }
      // Another choice of the request's still stands side by side.
      request.plan.strategy = "uniform";
      request.plan.keep = 4;
      asked.plan.strategy = "uniform";
      asked.plan.keep = 4;
      EXPECT_EQ((*selecting)->answer(request)->text, plain->answer(asked)->text);
    }
  }
}

TEST_P(AdaLlavaParity, SelectingThatIsNotKnownIsRefused) {
  const auto converted = TemporaryModel::convert(with_token_selecting(dir_, "adaptive"), DType::kF32, kData + "/tower");
  ASSERT_FALSE(converted);
  EXPECT_NE(converted.status().message().find("token_selecting \"adaptive\""), std::string::npos)
      << converted.status().message();
}

INSTANTIATE_TEST_SUITE_P(Golden, AdaLlavaParity, ::testing::Values("L", "H"), name_of);

}  // namespace
}  // namespace saccade::parity
