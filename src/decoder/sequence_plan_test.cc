// Plans against a slow decoder that is told, row by row and layer by layer, what to compute.
#include "decoder/sequence_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <set>
#include <vector>

#include "decoder/decoder.h"
#include "decoder/testing/slow_decoder.h"

namespace saccade {
namespace {

using ::saccade::testing::kTinyModelDim;
using ::saccade::testing::kTinyVocabSize;
using ::saccade::testing::SlowDecoder;
using ::saccade::testing::TinyDecoderFile;
using Vector = SlowDecoder::Vector;

constexpr int kNumLayers = 6;

// What becomes of a row in a layer.
enum class Part { kNothing, kKeysAlone, kAll };

/// A prompt and how it goes on, token by token.
struct Text {
  std::vector<int> prompt;
  std::vector<uint8_t> is_visual;  // [prompt.size()]
  std::vector<int> next;
};

Text some_text(int seed, int num_visual = 9, int num_next = 4) {
  Text text;
  const auto add = [&](int count, uint8_t is_visual) {
    for (int i = 0; i < count; ++i) {
      text.prompt.push_back(static_cast<int>((seed + text.prompt.size() * 7) % kTinyVocabSize));
      text.is_visual.push_back(is_visual);
    }
  };
  add(3, 0);
  add(num_visual, 1);
  add(4, 0);
  for (int i = 0; i < num_next; ++i) text.next.push_back((seed + 5 * i) % kTinyVocabSize);
  return text;
}

class Plans : public ::testing::Test {
 protected:
  using PartOf = std::function<Part(int layer, int row)>;

  Plans()
      : file_("llama", kNumLayers), files_(file_.open()), decoder_(*Decoder::load(files_)), slow_(file_, kNumLayers) {}

  KvSequence sequence() const {
    return decoder_->make_sequence(
        std::make_shared<KvBlockPool>(decoder_->config().kv_shape(DType::kF32), uint64_t{1} << 24));
  }

  struct Step {
    KvSequence* kv;
    SequencePlan* plan;
    std::vector<int> tokens;
    std::vector<uint8_t> is_visual;
    ForwardTrace* trace = nullptr;
    bool is_answer = false;
  };

  /// One forward of all; logits of the last `num_logit_rows` rows.
  Tensor forward(std::vector<Step> steps, int64_t num_logit_rows) {
    int64_t num_rows = 0;
    for (const Step& step : steps) num_rows += static_cast<int64_t>(step.tokens.size());
    Tensor rows({num_rows, kTinyModelDim});
    std::vector<TokenPosition> positions;
    std::vector<SequenceRows> sequences;
    for (const Step& step : steps) {
      for (size_t i = 0; i < step.tokens.size(); ++i) {
        decoder_->embed(step.tokens[i], rows.row(static_cast<int64_t>(positions.size())));
        const auto position = static_cast<int32_t>(step.kv->num_rows() + static_cast<int64_t>(i));
        positions.push_back({position, position, position});
      }
      sequences.push_back({step.kv,
                           static_cast<int64_t>(step.tokens.size()),
                           step.plan,
                           step.is_visual,
                           {},
                           step.trace,
                           step.is_answer});
    }
    ForwardArgs args;
    args.rows = &rows;
    args.positions = positions;
    args.sequences = sequences;
    args.num_logit_rows = num_logit_rows;
    auto logits = decoder_->forward(pool_, args);
    EXPECT_TRUE(logits) << logits.status().message();
    return *std::move(logits);
  }

  /// The logits behind the prompt and behind each next token.
  std::vector<Vector> run(const Text& text, SequencePlan plan, ForwardTrace* trace = nullptr) {
    KvSequence kv = sequence();
    std::vector<Vector> all;
    const auto keep = [&](const Tensor& logits) { all.emplace_back(logits.row(0).begin(), logits.row(0).end()); };
    keep(forward({{&kv, &plan, text.prompt, text.is_visual, trace}}, 1));
    for (const int token : text.next) keep(forward({{&kv, &plan, {token}, {}, nullptr, true}}, 1));
    return all;
  }

  /// The same, slowly. `exits_behind` says whether a row of an answer stays as it is behind a layer.
  std::vector<Vector> run_slowly(const Text& text, const PartOf& part_of, const std::vector<int>& heads = {},
                                 const std::vector<int>& groups = {}) {
    std::vector<int> tokens = text.prompt;
    tokens.insert(tokens.end(), text.next.begin(), text.next.end());
    std::vector<SlowDecoder::Cache> caches(kNumLayers);
    std::vector<Vector> all;
    for (int row = 0; row < static_cast<int>(tokens.size()); ++row) {
      Vector x = slow_.embed(tokens[row]);
      for (int layer = 0; layer < kNumLayers; ++layer) {
        const Part part = part_of(layer, row);
        if (part == Part::kNothing) continue;
        caches[layer].push_back(slow_.keys_and_values(layer, x, row));
        if (part == Part::kAll) x = slow_.through(layer, x, row, caches[layer], heads, groups);
      }
      if (row + 1 >= static_cast<int>(text.prompt.size())) all.push_back(slow_.logits(x));
    }
    return all;
  }

  static void expect_near(const std::vector<Vector>& found, const std::vector<Vector>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (size_t step = 0; step < found.size(); ++step) {
      for (size_t token = 0; token < found[step].size(); ++token) {
        EXPECT_NEAR(found[step][token], expected[step][token], 1e-3) << "step " << step << ", token " << token;
      }
    }
  }

  TinyDecoderFile file_;
  ModelFiles files_;
  std::unique_ptr<Decoder> decoder_;
  SlowDecoder slow_;
  ThreadPool pool_{1};
};

TEST_F(Plans, TheFullPlanIsNoPlan) {
  const Text text = some_text(1);
  expect_near(run(text, {}), run_slowly(text, [](int, int) { return Part::kAll; }));
}

TEST_F(Plans, LayersThatAreLeftOutHoldNothing) {
  const Text text = some_text(2);
  SequencePlan plan;
  plan.runs_layer = {1, 0, 1, 1, 0, 1};
  ForwardTrace trace;
  expect_near(run(text, plan, &trace),
              run_slowly(text, [](int layer, int) { return layer == 1 || layer == 4 ? Part::kNothing : Part::kAll; }));
  EXPECT_EQ(trace.num_rows, (std::vector<int64_t>{16, 0, 16, 16, 0, 16}));
}

TEST_F(Plans, FrozenVisualRowsStayAsTheyAreAndAreSeen) {
  const Text text = some_text(3);
  SequencePlan plan;
  plan.freezes_visual = {0, 1, 1, 0, 0, 1};
  expect_near(run(text, plan), run_slowly(text, [&](int layer, int row) {
                const bool is_visual = row >= 3 && row < 12;
                return is_visual && plan.freezes_visual[layer] != 0 ? Part::kKeysAlone : Part::kAll;
              }));
}

// The visual rows in the order in which the last row of the prompt looks at them in a layer, the rows in front of it
// computed as `part_of` says.
TEST_F(Plans, PrunedRowsAreThoseThatTheLastRowLooksAtLeast) {
  const Text text = some_text(4);
  const int last = static_cast<int>(text.prompt.size()) - 1;
  for (const int rank_layer : {1, 2}) {  // FastV looks in the layer before, PyramidDrop in the layer itself
    SequencePlan plan;
    plan.prunings = {{2, rank_layer, 4.0 / 9}, {4, rank_layer + 2, 2.0 / 9}};
    std::set<int> gone_from_2;
    std::set<int> gone_from_4;
    const PartOf part_of = [&](int layer, int row) {
      const bool is_gone = (layer >= 2 && gone_from_2.contains(row)) || (layer >= 4 && gone_from_4.contains(row));
      return is_gone ? Part::kNothing : Part::kAll;
    };
    const auto least_looked_at = [&](int layer, size_t num_kept) {
      // The states of all rows in front of the layer.
      std::vector<Vector> states(text.prompt.size());
      std::vector<SlowDecoder::Cache> caches(kNumLayers);
      SlowDecoder::Cache keys;
      std::vector<int> rows;
      for (int row = 0; row <= last; ++row) {
        Vector x = slow_.embed(text.prompt[row]);
        bool is_gone = false;
        for (int i = 0; i < layer; ++i) {
          is_gone = is_gone || part_of(i, row) == Part::kNothing;
          if (is_gone) break;
          caches[i].push_back(slow_.keys_and_values(i, x, row));
          x = slow_.through(i, x, row, caches[i]);
        }
        if (is_gone || part_of(layer, row) == Part::kNothing) continue;
        keys.push_back(slow_.keys_and_values(layer, x, row));
        rows.push_back(row);
        states[row] = x;
      }
      Vector looked(keys.size(), 0.0);
      const Vector query = slow_.query(layer, states[last], last);
      for (int head = 0; head < 4; ++head) {
        const Vector weights = SlowDecoder::softmax(query, head, keys);
        for (size_t i = 0; i < weights.size(); ++i) looked[i] += weights[i];
      }
      std::vector<std::pair<double, int>> visual;
      for (size_t i = 0; i < rows.size(); ++i) {
        if (text.is_visual[rows[i]] != 0) visual.emplace_back(-looked[i], rows[i]);
      }
      std::ranges::sort(visual);
      std::set<int> gone;
      for (size_t i = num_kept; i < visual.size(); ++i) gone.insert(visual[i].second);
      return gone;
    };
    gone_from_2 = least_looked_at(rank_layer, 4);
    gone_from_4 = least_looked_at(rank_layer + 2, 2);
    ForwardTrace trace;
    expect_near(run(text, plan, &trace), run_slowly(text, part_of));
    EXPECT_EQ(trace.num_rows, (std::vector<int64_t>{16, 16, 11, 11, 9, 9}));
    EXPECT_EQ(trace.visual_kept.size(), 2u);
  }
}

TEST_F(Plans, UnitsThatAreLeftOutAddNothing) {
  const Text text = some_text(5);
  SequencePlan plan;
  plan.units.assign(kNumLayers, {{1, 0, 1, 1}, {0, 1, 1}});
  expect_near(run(text, plan), run_slowly(text, [](int, int) { return Part::kAll; }, {1, 0, 1, 1}, {0, 1, 1}));
}

TEST_F(Plans, ConfidentRowsLeaveAndLeaveKeysBehind) {
  const Text text = some_text(6, 9, 12);
  const int num_prompt = static_cast<int>(text.prompt.size());
  // At a confidence between the rows' own, some leave and some do not.
  for (const double confidence : {0.0, 0.2, 0.3, 0.5, 1.1}) {
    SequencePlan plan;
    plan.exit = EarlyExit{confidence, {1, 3}};
    std::vector<int> exits(text.next.size(), kNumLayers);
    std::vector<int> tokens = text.prompt;
    tokens.insert(tokens.end(), text.next.begin(), text.next.end());
    const PartOf part_of = [&](int layer, int row) {
      return row >= num_prompt && layer > exits[row - num_prompt] ? Part::kKeysAlone : Part::kAll;
    };
    // A row's exit depends on the rows before it alone.
    for (size_t i = 0; i < text.next.size(); ++i) {
      std::vector<SlowDecoder::Cache> caches(kNumLayers);
      for (int row = 0; row <= num_prompt + static_cast<int>(i); ++row) {
        Vector x = slow_.embed(tokens[row]);
        for (int layer = 0; layer < kNumLayers; ++layer) {
          caches[layer].push_back(slow_.keys_and_values(layer, x, row));
          if (part_of(layer, row) == Part::kAll) x = slow_.through(layer, x, row, caches[layer]);
          if (row == num_prompt + static_cast<int>(i) && exits[i] == kNumLayers && (layer == 1 || layer == 3)) {
            const Vector logits = slow_.logits(x);
            const double largest = *std::ranges::max_element(logits);
            double total = 0;
            for (const double logit : logits) total += std::exp(logit - largest);
            if (1 / total >= confidence) exits[i] = layer;
          }
        }
      }
    }
    expect_near(run(text, plan), run_slowly(text, part_of));
    if (confidence == 0.0) {
      EXPECT_EQ(std::ranges::count(exits, 1), 12);
    }
    if (confidence > 1) {
      EXPECT_EQ(std::ranges::count(exits, kNumLayers), 12);
    }
  }
}

// A visual row that stands for two gives what the row given twice, at the same place, gives.
TEST_F(Plans, ARowThatStandsForTwoWeighsAsMuchAsTwo) {
  const Text text = some_text(7);
  const auto run_with = [&](bool is_twice) {
    const int doubled = 5;  // a visual row, one that others see
    Tensor rows({static_cast<int64_t>(text.prompt.size()) + (is_twice ? 1 : 0), kTinyModelDim});
    std::vector<TokenPosition> positions;
    std::vector<float> biases;
    for (int i = 0; i < static_cast<int>(text.prompt.size()); ++i) {
      for (int copy = 0; copy < (is_twice && i == doubled ? 2 : 1); ++copy) {
        decoder_->embed(text.prompt[i], rows.row(static_cast<int64_t>(positions.size())));
        positions.push_back({i, i, i});
        biases.push_back(!is_twice && i == doubled ? std::log(2.0F) : 0.0F);
      }
    }
    SequencePlan plan;
    // Where rows do not see their own copies, only the rows behind tell the difference: one layer.
    plan.runs_layer = {0, 0, 1, 0, 0, 0};
    KvSequence kv = sequence();
    const SequenceRows sequence_rows = {&kv, rows.shape()[0], &plan, {}, biases};
    ForwardArgs args;
    args.rows = &rows;
    args.positions = positions;
    args.sequences = {&sequence_rows, 1};
    const auto logits = decoder_->forward(pool_, args);
    EXPECT_TRUE(logits);
    EXPECT_NE(kv.biases(2), nullptr);
    EXPECT_EQ(kv.biases(0), nullptr);
    return Vector(logits->row(0).begin(), logits->row(0).end());
  };
  expect_near({run_with(false)}, {run_with(true)});
}

TEST_F(Plans, SequencesOfDifferentPlansGoTogetherAndGetWhatTheyGetAlone) {
  std::vector<SequencePlan> plans(6);
  plans[1].runs_layer = {1, 0, 1, 1, 0, 1};
  plans[2].freezes_visual = {0, 1, 1, 0, 0, 1};
  plans[3].prunings = {{2, 2, 0.5}, {4, 4, 0.25}};
  plans[4].exit = EarlyExit{0.2, {2, 3}};
  plans[5].units.assign(kNumLayers, {{1, 0, 1, 1}, {0, 1, 1}});
  std::vector<Text> texts;
  std::vector<std::vector<Vector>> alone;
  for (int i = 0; i < 6; ++i) {
    texts.push_back(some_text(10 + i, 5 + 2 * i));
    alone.push_back(run(texts.back(), plans[i]));
  }
  std::vector<KvSequence> sequences;
  for (int i = 0; i < 6; ++i) sequences.push_back(sequence());
  std::vector<Step> prompts;
  for (int i = 0; i < 6; ++i) prompts.push_back({&sequences[i], &plans[i], texts[i].prompt, texts[i].is_visual});
  const int num_last = static_cast<int>(texts.back().prompt.size());
  const Tensor logits = forward(prompts, num_last);
  const auto last_row = logits.row(num_last - 1);
  expect_near({{last_row.begin(), last_row.end()}}, {alone.back()[0]});
  for (size_t step = 0; step < texts[0].next.size(); ++step) {
    std::vector<Step> next;
    for (int i = 0; i < 6; ++i) next.push_back({&sequences[i], &plans[i], {texts[i].next[step]}, {}, nullptr, true});
    const Tensor together = forward(next, 6);
    for (int i = 0; i < 6; ++i) {
      expect_near({{together.row(i).begin(), together.row(i).end()}}, {alone[i][step + 1]});
    }
  }
}

}  // namespace
}  // namespace saccade
