// Every lever of a plan through the engine: what it changes, what the receipt says of it, and that an engine that has
// answered by one plan answers by another as a fresh one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/layer_order.h"
#include "engine/testing/family_test.h"
#include "media/png_writer.h"

namespace saccade {
namespace {

using ::saccade::testing::text_part;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

bool is_merging(const std::string& strategy) {
  return strategy == "prumerge" || strategy == "prumerge+" || strategy == "tome" || strategy == "downscale";
}

int64_t count(const PictureLook& look, CellState state) {
  return std::ranges::count(look.cells, state, &LookedCell::state);
}

double area(const PictureLook& look) {
  double sum = 0;
  for (const LookedCell& cell : look.cells) sum += cell.width * cell.height;
  return sum;
}

void expect_same_look(const PictureLook& look, const PictureLook& other) {
  ASSERT_EQ(look.cells.size(), other.cells.size());
  for (size_t i = 0; i < look.cells.size(); ++i) {
    const LookedCell& a = look.cells[i];
    const LookedCell& b = other.cells[i];
    EXPECT_EQ(std::tie(a.x, a.y, a.width, a.height, a.state, a.group),
              std::tie(b.x, b.y, b.width, b.height, b.state, b.group));
  }
}

/// A PNG file: `content` in the middle of a white picture.
ContentPart drawn_part(ImageSize size, const Window& content) {
  Image image = make_image(size);
  std::ranges::fill(image.rgb, uint8_t{255});
  for (int y = content.top; y < content.top + content.size.height; ++y) {
    for (int x = content.left; x < content.left + content.size.width; ++x) {
      for (int c = 0; c < 3; ++c) image.pixel(x, y)[c] = static_cast<uint8_t>(37 * x + 59 * y * x + 91 * c);
    }
  }
  auto png = encode_png(image);
  EXPECT_TRUE(png) << png.status().message();
  return {ContentPart::Kind::kImage, "", "drawn.png", *std::move(png)};
}

class PlansTest : public testing::FamilyTest {
 protected:
  static Request ask_by(const Plan& plan, std::vector<ContentPart> content) {
    Request request = ask(std::move(content));
    request.plan = plan;
    return request;
  }
  static Request ask_by(const Plan& plan) { return ask_by(plan, {picture_part(1), text_part("Is the lamp red?")}); }

  static Status error_of(Engine& engine, const Request& request) {
    const auto answer = engine.answer(request);
    EXPECT_FALSE(answer);
    return answer ? Status() : answer.status();
  }
  static bool is_llava_next() { return std::string(GetParam()) == "llava_next"; }
  static bool is_qwen() { return std::string(GetParam()).starts_with("qwen"); }
};

INSTANTIATE_TEST_SUITE_P(Families, PlansTest,
                         ::testing::Values("llava", "llava_next", "smolvlm", "qwen2_vl", "qwen2_5_vl"),
                         testing::family_name);

TEST_P(PlansTest, APlanThatAsksForNothingChangesNothing) {
  const Answer full = answer(*load(), ask_by({}));
  EXPECT_EQ(full.receipt.pictures[0].encoded_tokens, full.receipt.pictures[0].laid_out_tokens);
  EXPECT_EQ(full.receipt.pictures[0].visual_tokens, full.receipt.pictures[0].laid_out_tokens);
  EXPECT_THAT(full.receipt.decoder.layers, ElementsAre(0, 1));
  EXPECT_EQ(full.receipt.decoder.prefill_layers, 2);
  EXPECT_EQ(full.receipt.decoder.decode_layers, 2);
  EXPECT_EQ(full.receipt.decoder.last_visual_tokens, full.receipt.tokens.visual);
  Plan seeded;
  seeded.seed = 7;
  Plan widest;  // more than there is
  widest.resolution = 100'000;
  Plan all;
  all.keep = 100'000;
  Plan whole_margins;
  whole_margins.crops_margins = true;  // of a picture without any
  Plan no_exit;
  no_exit.exit = 1;
  for (const Plan& plan : {seeded, widest, all, whole_margins, no_exit}) {
    const Answer same = answer(*load(), ask_by(plan));
    EXPECT_EQ(same.text, full.text);
    EXPECT_EQ(same.receipt.tokens.visual, full.receipt.tokens.visual);
    EXPECT_EQ(same.receipt.flops.encode, full.receipt.flops.encode);
    EXPECT_EQ(same.receipt.flops.prefill, full.receipt.flops.prefill);
  }
}

TEST_P(PlansTest, EveryStrategyKeepsAsManyAsItIsTold) {
  const auto engine = load();
  const Answer full = answer(*engine, ask_by({}));
  Plan evenly;
  evenly.strategy = "uniform";
  evenly.keep = 1;
  const int64_t fixed = answer(*engine, ask_by(evenly)).receipt.tokens.visual - 1;
  EXPECT_EQ(fixed > 0, is_llava_next()) << "newlines are no part of the picture, and always there";
  for (const std::string& strategy : engine->info().strategies) {
    SCOPED_TRACE(strategy);
    Plan plan;
    plan.strategy = strategy;
    plan.keep = 5;
    const Answer thinned = answer(*engine, ask_by(plan));
    const PictureReceipt& picture = thinned.receipt.pictures[0];
    EXPECT_EQ(picture.laid_out_tokens, full.receipt.pictures[0].laid_out_tokens);
    EXPECT_EQ(picture.encoded_tokens, picture.was_encoded ? 0 : picture.laid_out_tokens);
    if (is_merging(strategy)) {
      EXPECT_LE(picture.visual_tokens, 5 + fixed);
    } else {
      EXPECT_EQ(picture.visual_tokens, 5 + fixed);
    }
    EXPECT_EQ(thinned.receipt.tokens.visual, picture.visual_tokens);
    EXPECT_LT(thinned.receipt.flops.prefill, full.receipt.flops.prefill);
    plan.keep = full.receipt.tokens.visual;
    EXPECT_EQ(answer(*engine, ask_by(plan)).text, full.text);
  }
}

TEST_P(PlansTest, AStrategyMayDecideHowMany) {
  const auto engine = load();
  Plan plan;
  plan.strategy = "tome";
  plan.keep_threshold = -1;  // everything is alike
  const Answer few = answer(*engine, ask_by(plan));
  plan.keep_threshold = 1.5;  // nothing is
  const Answer all = answer(*engine, ask_by(plan));
  EXPECT_LT(few.receipt.tokens.visual, all.receipt.tokens.visual);
  EXPECT_EQ(all.receipt.tokens.visual, all.receipt.pictures[0].laid_out_tokens);
}

TEST_P(PlansTest, TheSamePlanAgainTakesThePictureFromTheCache) {
  const auto engine = load();
  Plan plan;
  plan.keep = 5;
  Plan other = plan;
  other.keep = 6;
  Plan coarse;
  coarse.encoder_keep = 0.5;
  const Answer first = answer(*engine, ask_by(plan));
  EXPECT_FALSE(first.receipt.pictures[0].is_cached);
  for (const Plan& asked : {plan, other, plan, coarse, Plan(), plan}) {
    const Answer again = answer(*engine, ask_by(asked));
    EXPECT_FALSE(again.receipt.pictures[0].is_cached && again.receipt.stages_ms.encode > 0);
    expect_as_fresh(again, ask_by(asked));
    const Answer cached = answer(*engine, ask_by(asked));
    EXPECT_TRUE(cached.receipt.pictures[0].is_cached);
    EXPECT_EQ(cached.receipt.stages_ms.encode, 0);
    EXPECT_EQ(cached.receipt.pictures[0].encoded_tokens, 0);
    EXPECT_EQ(cached.receipt.tokens.cached, cached.receipt.tokens.text + cached.receipt.tokens.visual - 1);
    EXPECT_EQ(cached.text, again.text);
  }
  EXPECT_TRUE(answer(*engine, ask_by(other)).receipt.pictures[0].is_cached)
      << "conversations of several plans are kept";
  // A strategy that looks at the question looks anew for another one.
  plan.strategy = "query";
  answer(*engine, ask_by(plan));
  const Request next = ask_by(plan, {picture_part(1), text_part("How large is the door?")});
  const Answer of_next = answer(*engine, next);
  EXPECT_FALSE(of_next.receipt.pictures[0].is_cached);
  expect_as_fresh(of_next, next);
}

TEST_P(PlansTest, AConversationGoesOnUnderAPlan) {
  Plan thin;
  thin.keep = 5;
  thin.frozen_layers = {1};
  Plan repacked;
  repacked.keep = 5;
  repacked.repacks_positions = true;
  Plan merged;
  merged.keep = 5;
  merged.strategy = "tome";  // with weights
  Plan equal;
  equal.skip_equal = 60;
  for (const Plan& plan : {thin, is_qwen() ? thin : repacked, merged, equal}) {
    const auto engine = load();
    const Request first = ask_by(plan);
    const Answer opening = answer(*engine, first);
    const Request second = go_on(first, opening.text, {picture_part(0), text_part("And in this one?")});
    const Answer reply = answer(*engine, second);
    expect_as_fresh(reply, second);
    ASSERT_EQ(reply.receipt.pictures.size(), 2U);
    EXPECT_TRUE(reply.receipt.pictures[0].is_cached);
    EXPECT_FALSE(reply.receipt.pictures[1].is_cached);
    const Request third = go_on(second, reply.text, {text_part("And the door?")});
    const Answer last = answer(*engine, third);
    expect_as_fresh(last, third);
    EXPECT_TRUE(last.receipt.pictures[1].is_cached);
  }
}

TEST_P(PlansTest, EachOfTwoPicturesIsThinnedOut) {
  const auto engine = load();
  Plan plan;
  plan.keep = 4;
  Request request = ask_by(plan, {picture_part(1), picture_part(0), text_part("Which is larger?")});
  request.wants_looks = true;
  const Answer both = answer(*engine, request);
  ASSERT_EQ(both.receipt.pictures.size(), 2U);
  ASSERT_EQ(both.looks.size(), 2U);
  EXPECT_EQ(both.receipt.tokens.visual,
            both.receipt.pictures[0].visual_tokens + both.receipt.pictures[1].visual_tokens);
  if (!is_llava_next()) {
    EXPECT_EQ(both.receipt.tokens.visual, 8);
  }
}

TEST_P(PlansTest, RepackedTokensStandElsewhere) {
  const auto engine = load();
  Plan plan;
  plan.keep = 5;
  const Answer kept = answer(*engine, ask_by(plan));
  plan.repacks_positions = true;
  if (is_qwen()) {
    EXPECT_EQ(error_of(*engine, ask_by(plan)).code(), StatusCode::kUnsupported);
    return;
  }
  const Answer repacked = answer(*engine, ask_by(plan));
  EXPECT_EQ(repacked.receipt.tokens.visual, kept.receipt.tokens.visual);
  EXPECT_NE(repacked.text, kept.text);
  EXPECT_FALSE(repacked.receipt.pictures[0].is_cached);
}

TEST_P(PlansTest, PartsThatEqualTheirNeighboursNeverEnterTheEncoder) {
  const auto engine = load();
  const Request full = ask({drawn_part({170, 170}, {60, 60, {40, 40}}), text_part("What is it?")});
  Request skipped = full;
  skipped.plan.skip_equal = 0;
  skipped.plan.skip_equal_margin = 0;  // a tiny tile is all margin
  skipped.wants_looks = true;
  const Answer of_all = answer(*engine, full);
  const Answer of_some = answer(*engine, skipped);
  const PictureReceipt& picture = of_some.receipt.pictures[0];
  EXPECT_LT(picture.encoded_tokens, picture.laid_out_tokens);
  EXPECT_EQ(picture.visual_tokens, picture.encoded_tokens);
  EXPECT_LT(of_some.receipt.flops.encode, of_all.receipt.flops.encode);
  EXPECT_LT(of_some.receipt.flops.prefill, of_all.receipt.flops.prefill);
  ASSERT_EQ(of_some.looks.size(), 1U);
  const PictureLook& look = of_some.looks[0];
  EXPECT_GT(count(look, CellState::kMerged), 0);
  EXPECT_EQ(count(look, CellState::kDropped), 0);
  for (const LookedCell& cell : look.cells) {  // what is skipped is blank
    if (cell.state != CellState::kMerged) continue;
    EXPECT_TRUE(cell.x >= 100 || cell.x + cell.width <= 60 || cell.y >= 100 || cell.y + cell.height <= 60)
        << cell.x << ' ' << cell.y;
  }
  expect_as_fresh(answer(*engine, skipped), skipped);
}

TEST_P(PlansTest, WhatEqualsThePaddingAroundItIsStillShown) {
  // Black, as LLaVA-1.6 pads; of its tiles, padding comes first and is no token.
  auto png = encode_png(make_image({170, 60}));
  ASSERT_TRUE(png) << png.status().message();
  Plan plan;
  plan.skip_equal = 0;
  Request request = ask_by(plan, {{ContentPart::Kind::kImage, "", "black.png", *png}, text_part("What is it?")});
  request.wants_looks = true;
  const Answer shown = answer(*load(), request);
  ASSERT_EQ(shown.looks.size(), 1U);
  const PictureLook& look = shown.looks[0];
  EXPECT_NEAR(area(look), 170 * 60, 0.02 * 170 * 60);
  EXPECT_GT(count(look, CellState::kKept), 0);
  EXPECT_EQ(count(look, CellState::kDropped), 0);
}

TEST_P(PlansTest, MarginsAreCutOff) {
  const auto engine = load();
  Request request = ask({drawn_part({300, 240}, {120, 90, {90, 60}}), text_part("What is it?")});
  const Answer full = answer(*engine, request);
  request.plan.crops_margins = true;
  request.wants_looks = true;
  const Answer cut = answer(*engine, request);
  EXPECT_EQ(cut.receipt.pictures[0].width, 300);
  EXPECT_NE(cut.text, full.text);
  ASSERT_EQ(cut.looks.size(), 1U);
  const PictureLook& look = cut.looks[0];
  EXPECT_EQ(count(look, CellState::kDropped), 4) << "margins on every side";
  EXPECT_NEAR(area(look), 300 * 240, 0.02 * 300 * 240);
  for (const LookedCell& cell : look.cells) {
    if (cell.state == CellState::kDropped) continue;
    EXPECT_TRUE(cell.x > 100 && cell.y > 70 && cell.x + cell.width < 230 && cell.y + cell.height < 170);
  }
  const Answer cached = answer(*engine, request);
  EXPECT_TRUE(cached.receipt.pictures[0].is_cached);
  EXPECT_EQ(cached.receipt.pictures[0].num_tiles, cut.receipt.pictures[0].num_tiles);
  EXPECT_EQ(cached.receipt.pictures[0].resized_width, cut.receipt.pictures[0].resized_width);
  ASSERT_EQ(cached.looks.size(), 1U);
  expect_same_look(cached.looks[0], look);
}

TEST_P(PlansTest, ResolutionMakesFewerTokens) {
  if (std::string(GetParam()) == "llava") return;  // its tile is as small as it gets
  const auto engine = load();
  const std::vector<ContentPart> content = {drawn_part({170, 150}, {10, 10, {150, 130}}), text_part("What is it?")};
  const Answer full = answer(*engine, ask(content));
  Plan plan;
  plan.resolution = 56;
  Request request = ask_by(plan, content);
  request.wants_looks = true;
  const Answer coarse = answer(*engine, request);
  expect_as_fresh(coarse, request);
  EXPECT_LT(coarse.receipt.pictures[0].laid_out_tokens, full.receipt.pictures[0].laid_out_tokens);
  EXPECT_EQ(coarse.receipt.pictures[0].visual_tokens, coarse.receipt.pictures[0].laid_out_tokens);
  EXPECT_EQ(coarse.receipt.pictures[0].num_tiles, 1);
  EXPECT_LT(coarse.receipt.flops.encode, full.receipt.flops.encode);
  ASSERT_EQ(coarse.looks.size(), 1U);
  EXPECT_EQ(count(coarse.looks[0], CellState::kKept), coarse.receipt.tokens.visual);
  EXPECT_NEAR(area(coarse.looks[0]), 170 * 150, 1) << "one look at the whole picture, nothing beside it";
}

TEST_P(PlansTest, DetailAndTokensMakePicturesCoarser) {
  const auto engine = load();
  std::vector<ContentPart> content = {drawn_part({170, 150}, {10, 10, {150, 130}}), text_part("What is it?")};
  const PictureReceipt full = answer(*engine, ask(content)).receipt.pictures[0];
  const auto looked_at = [&](const Plan& plan) {
    const Request request = ask_by(plan, content);
    const Answer coarse = answer(*engine, request);
    expect_as_fresh(coarse, request);
    return coarse.receipt.pictures[0];
  };
  Plan plan;
  plan.detail = Detail::kLow;
  const PictureReceipt low = looked_at(plan);
  EXPECT_EQ(low.num_tiles, 1);
  EXPECT_LE(low.laid_out_tokens, full.laid_out_tokens);
  content[0].detail = Detail::kHigh;  // the picture's own goes first
  EXPECT_EQ(looked_at(plan).laid_out_tokens, full.laid_out_tokens);
  content[0].detail = Detail::kLow;
  EXPECT_EQ(looked_at({}).laid_out_tokens, low.laid_out_tokens);
  content[0].detail.reset();
  Plan fewer;
  fewer.picture_tokens = full.laid_out_tokens / 2;
  if (std::string(GetParam()) == "llava") {
    EXPECT_EQ(looked_at(fewer).laid_out_tokens, full.laid_out_tokens) << "its tile is as small as it gets";
  } else {
    EXPECT_LT(looked_at(fewer).laid_out_tokens, full.laid_out_tokens);
  }
}

TEST_P(PlansTest, ACropIsLookedAtAsFinelyAsAPictureOfItsSize) {
  const auto engine = load();
  const ContentPart wide = drawn_part({600, 150}, {10, 10, {130, 130}});
  Plan cropped;
  cropped.crops_margins = true;
  const PictureReceipt whole = answer(*engine, ask_by(cropped, {wide, text_part("?")})).receipt.pictures[0];
  Plan both = cropped;
  both.picture_tokens = whole.laid_out_tokens / 2;
  const Request request = ask_by(both, {wide, text_part("?")});
  const PictureReceipt fewer = answer(*engine, request).receipt.pictures[0];
  if (std::string(GetParam()) == "llava") {
    EXPECT_EQ(fewer.laid_out_tokens, whole.laid_out_tokens);
  } else {
    EXPECT_LT(fewer.laid_out_tokens, whole.laid_out_tokens);
  }
  const PictureReceipt again = answer(*engine, request).receipt.pictures[0];
  EXPECT_TRUE(again.is_cached);
  EXPECT_EQ(again.laid_out_tokens, fewer.laid_out_tokens);
}

TEST_P(PlansTest, SomePatchesLeaveTheEncoderEarly) {
  const auto engine = load();
  const Answer full = answer(*engine, ask_by({}));
  Plan plan;
  plan.encoder_keep = 0.2;
  const Answer some = answer(*engine, ask_by(plan));
  EXPECT_EQ(some.receipt.tokens.visual, full.receipt.tokens.visual);
  EXPECT_LT(some.receipt.flops.encode, full.receipt.flops.encode);
  EXPECT_NE(some.text, full.text);
}

TEST_P(PlansTest, LooksSayWhatBecameOfEveryPart) {
  const auto engine = load();
  Request request = ask_by({});
  EXPECT_TRUE(answer(*engine, request).looks.empty());
  request.wants_looks = true;
  const Answer full = answer(*engine, request);  // from the cache
  EXPECT_TRUE(full.receipt.pictures[0].is_cached);
  ASSERT_EQ(full.looks.size(), 1U);
  EXPECT_EQ(count(full.looks[0], CellState::kKept), static_cast<int64_t>(full.looks[0].cells.size()));
  const PictureReceipt& picture = full.receipt.pictures[0];
  EXPECT_NEAR(area(full.looks[0]), picture.width * picture.height, 0.02 * picture.width * picture.height);
  for (const char* strategy : {"divprune", "tome", "visionzip", "downscale"}) {
    SCOPED_TRACE(strategy);
    request.plan.strategy = strategy;
    request.plan.keep = 5;
    const Answer thinned = answer(*engine, request);
    ASSERT_EQ(thinned.looks.size(), 1U);
    const PictureLook& look = thinned.looks[0];
    EXPECT_EQ(look.cells.size(), full.looks[0].cells.size());
    EXPECT_NEAR(area(look), area(full.looks[0]), 1e-6);
    std::vector<int32_t> groups;
    for (const LookedCell& cell : look.cells) {
      EXPECT_EQ(cell.group == -1, cell.state == CellState::kDropped);
      if (cell.group != -1) groups.push_back(cell.group);
    }
    std::ranges::sort(groups);
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    EXPECT_LE(groups.size(), 5U);
    if (strategy == std::string("divprune")) {
      EXPECT_EQ(count(look, CellState::kMerged), 0);
    } else {
      EXPECT_GT(count(look, CellState::kMerged), 0);
    }
    if (strategy == std::string("tome")) {
      EXPECT_EQ(count(look, CellState::kDropped), 0);
    }
    const Answer cached = answer(*engine, request);
    EXPECT_TRUE(cached.receipt.pictures[0].is_cached);
    ASSERT_EQ(cached.looks.size(), 1U);
    expect_same_look(cached.looks[0], look);
  }
}

TEST_P(PlansTest, DecoderLayersAreLeftOut) {
  const auto engine = load();
  const Answer full = answer(*engine, ask_by({}));
  Plan skipping;
  skipping.skipped_layers = {1};
  const Receipt skipped = answer(*engine, ask_by(skipping)).receipt;
  EXPECT_THAT(skipped.decoder.layers, ElementsAre(0));
  EXPECT_EQ(skipped.decoder.num_layers, 2);
  EXPECT_EQ(skipped.decoder.prefill_layers, 1);
  EXPECT_EQ(skipped.decoder.decode_layers, 1);
  EXPECT_LT(skipped.flops.prefill, full.receipt.flops.prefill);
  EXPECT_LT(skipped.flops.decode, full.receipt.flops.decode);
  Plan freezing;
  freezing.frozen_layers = {0};
  const Receipt frozen = answer(*engine, ask_by(freezing)).receipt;
  EXPECT_THAT(frozen.decoder.layers, ElementsAre(0, 1));
  EXPECT_TRUE(frozen.decoder.prefill_layers > 1 && frozen.decoder.prefill_layers < 2);
  EXPECT_EQ(frozen.decoder.decode_layers, 2);
  EXPECT_EQ(frozen.decoder.last_visual_tokens, frozen.tokens.visual);
  EXPECT_LT(frozen.flops.prefill, full.receipt.flops.prefill);
  Plan exiting;
  exiting.exit = 0.001;
  const Receipt exited = answer(*engine, ask_by(exiting)).receipt;
  EXPECT_EQ(exited.decoder.decode_layers, 1);
  EXPECT_EQ(exited.tokens.guessed, 0);
  // Each is taken over but for its last row, which is no token of the answer yet.
  for (const Plan& plan : {skipping, freezing, exiting}) expect_as_fresh(answer(*engine, ask_by(plan)), ask_by(plan));
}

TEST_P(PlansTest, VisualTokensAreLeftBehindOnTheWayThroughTheDecoder) {
  const auto engine = load();
  const Answer full = answer(*engine, ask_by({}));
  for (const bool ranks_before : {false, true}) {
    Plan plan;
    plan.prunings = {{1, 0.25, ranks_before}};
    const Answer pruned = answer(*engine, ask_by(plan));
    const auto quarter = 0.25 * static_cast<double>(pruned.receipt.tokens.visual);
    EXPECT_EQ(pruned.receipt.tokens.visual, full.receipt.tokens.visual);
    EXPECT_NEAR(static_cast<double>(pruned.receipt.decoder.last_visual_tokens), quarter, 1);
    EXPECT_LT(pruned.receipt.decoder.prefill_layers, 2);
    EXPECT_LT(pruned.receipt.flops.prefill, full.receipt.flops.prefill);
    EXPECT_EQ(pruned.receipt.tokens.cached, 0);
    expect_as_fresh(answer(*engine, ask_by(plan)), ask_by(plan));
  }
}

TEST_P(PlansTest, AShareOfTheLayersGoesByTheMeasuredOrder) {
  const auto engine = load();
  Plan plan;
  plan.layers = 0.5;
  const Status unknown = error_of(*engine, ask_by(plan));
  EXPECT_EQ(unknown.code(), StatusCode::kUnsupported);
  EXPECT_THAT(unknown.message(), HasSubstr("saccade layers " + model_->path()));
  const std::vector<Request> requests = {ask_by({}), ask_by(plan, {picture_part(0), text_part("What is it?")})};
  double last = 0;
  const auto needs = engine->measure_layers(requests, [&](const Progress& now) {
    EXPECT_EQ(now.stage, "layers");
    EXPECT_GE(now.fraction, last);
    last = now.fraction;
    return true;
  });
  ASSERT_TRUE(needs) << needs.status().message();
  ASSERT_EQ(needs->size(), 2U);
  EXPECT_LE((*needs)[0].divergence, (*needs)[1].divergence);
  EXPECT_GT((*needs)[1].divergence, 0);
  expect_as_fresh(answer(*engine, ask_by({})), ask_by({}));
  const std::string path = layer_order_path(model_->path());
  ASSERT_TRUE(write_layer_order(path, "tiny.gguf", *needs, 2).is_ok());
  const Receipt receipt = answer(*engine, ask_by(plan)).receipt;
  EXPECT_TRUE(receipt.decoder.prefill_layers > 1 && receipt.decoder.prefill_layers < 2);
  Plan same;
  same.frozen_layers = {(*needs)[0].layer};
  EXPECT_EQ(answer(*engine, ask_by(same)).receipt.decoder.prefill_layers,
            answer(*engine, ask_by(plan)).receipt.decoder.prefill_layers);
  std::ofstream(path) << "{}";
  EXPECT_EQ(error_of(*engine, ask_by(plan)).code(), StatusCode::kCorruptData);
  answer(*load(), ask_by({}));  // a damaged order hurts nobody who does not ask for it
  std::remove(path.c_str());
}

TEST_P(PlansTest, MeasuringLayersCanBeStopped) {
  const auto engine = load();
  const std::vector<Request> requests = {ask_by({})};
  const auto stopped = engine->measure_layers(requests, [](const Progress& now) { return now.fraction < 0.3; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.status().code(), StatusCode::kCancelled);
  expect_as_fresh(answer(*engine, ask_by({})), ask_by({}));
}

TEST_P(PlansTest, MeasuresWhatAChoiceLeavesOfTheTokens) {
  const auto engine = load();
  const auto facts_by = [&](const Plan& plan) {
    auto facts = engine->measure_tokens(picture_part(0), plan);
    EXPECT_TRUE(facts) << facts.status().message();
    return facts ? *facts : TokenFacts();
  };
  const TokenFacts quarter = facts_by({});
  EXPECT_GT(quarter.num_tokens, 0);
  EXPECT_EQ(quarter.strategy, "divprune");
  EXPECT_EQ(quarter.num_kept, std::max<int64_t>(1, quarter.num_tokens / 4));
  EXPECT_TRUE(quarter.effective_rank >= 1 && quarter.effective_rank <= static_cast<double>(quarter.num_tokens) + 1e-3);
  EXPECT_TRUE(quarter.unique_share > 0 && quarter.unique_share <= 1);
  EXPECT_LE(quarter.entropy_bits, std::log2(static_cast<double>(quarter.num_tokens)) + 1e-6);
  EXPECT_NEAR(quarter.mutual_bits + quarter.conditional_bits, quarter.entropy_bits, 1e-9);
  Plan plan;
  plan.keep = 1'000'000;
  const TokenFacts all = facts_by(plan);
  EXPECT_EQ(all.num_kept, all.num_tokens);
  EXPECT_EQ(all.num_tokens, quarter.num_tokens);
  EXPECT_EQ(all.entropy_bits, quarter.entropy_bits);
  EXPECT_NEAR(all.mutual_bits, all.mutual_bits_of_all, 1e-9);
  EXPECT_NEAR(all.conditional_bits, all.conditional_bits_of_all, 1e-9);
  EXPECT_LT(quarter.mutual_bits, all.mutual_bits);
  plan.keep = 3;
  plan.strategy = "tome";
  plan.frozen_layers = {0};  // not looked at
  const TokenFacts three = facts_by(plan);
  EXPECT_EQ(three.strategy, "tome");
  EXPECT_EQ(three.num_kept, std::min<int64_t>(3, three.num_tokens));
  expect_as_fresh(answer(*engine, ask_by({})), ask_by({}));
}

TEST_P(PlansTest, RefusesToMeasureWhatHasNoTokens) {
  const auto engine = load();
  EXPECT_EQ(engine->measure_tokens(text_part("words")).status().code(), StatusCode::kInvalidArgument);
  ContentPart missing = picture_part(0);
  missing.path = "no/such.png";
  EXPECT_EQ(engine->measure_tokens(missing).status().code(), StatusCode::kNotFound);
  Plan plan;
  plan.strategy = "no such";
  EXPECT_EQ(engine->measure_tokens(picture_part(0), plan).status().code(), StatusCode::kNotFound);
  const auto stopped = engine->measure_tokens(picture_part(0), {}, [](const Progress&) { return false; });
  EXPECT_EQ(stopped.status().code(), StatusCode::kCancelled);
}

TEST_P(PlansTest, AnswersRightAfterBeingCancelledWhileLooking) {
  const auto engine = load();
  Plan plan;
  plan.keep = 5;
  Request request = ask_by(plan);
  request.wants_looks = true;
  AnswerCallbacks callbacks;
  callbacks.on_progress = [](const Progress& now) { return now.stage != "encode" || now.fraction < 0.4; };
  const Answer stopped = answer(*engine, request, callbacks);
  EXPECT_EQ(stopped.receipt.finish_reason, "cancelled");
  EXPECT_EQ(stopped.text, "");
  EXPECT_TRUE(stopped.looks.empty());
  EXPECT_FALSE(stopped.receipt.ttft_ms.has_value());
  const Answer whole = answer(*engine, request);
  expect_as_fresh(whole, request);
  EXPECT_FALSE(whole.receipt.pictures[0].is_cached);
}

TEST_P(PlansTest, RefusesWhatMakesNoSense) {
  const auto engine = load();
  using Change = void (*)(Plan&);
  const std::vector<std::tuple<Change, StatusCode, std::string>> cases = {
      {[](Plan& plan) { plan.keep = 0; }, StatusCode::kInvalidArgument, "keep must be 1 or more"},
      {[](Plan& plan) { plan.picture_tokens = 0; }, StatusCode::kInvalidArgument, "picture_tokens must be 1 or more"},
      {[](Plan& plan) { plan.resolution = 0; }, StatusCode::kInvalidArgument, "resolution must be at least 1"},
      {[](Plan& plan) { plan.skip_equal = 256; }, StatusCode::kInvalidArgument, "skip_equal is 256"},
      {[](Plan& plan) { plan.merge = -1; }, StatusCode::kInvalidArgument, "merge must be 0 or more"},
      {[](Plan& plan) { plan.encoder_keep = 0; }, StatusCode::kInvalidArgument, "encoder_keep is 0"},
      {[](Plan& plan) { plan.encoder_keep = NAN; }, StatusCode::kInvalidArgument, "encoder_keep is nan"},
      {[](Plan& plan) {
         plan.encoder_keep = 0.5;
         plan.merge = 1;
       },
       StatusCode::kInvalidArgument, "ask for one of them"},
      {[](Plan& plan) { plan.encoder_layers = 0.5; }, StatusCode::kUnsupported, "was not trained to leave layers out"},
      {[](Plan& plan) { plan.encoder_layers = 2; }, StatusCode::kInvalidArgument, "encoder_layers is 2"},
      {[](Plan& plan) { plan.keep_threshold = NAN; }, StatusCode::kInvalidArgument, "keep_threshold"},
      {[](Plan& plan) { plan.strategy = "luck"; }, StatusCode::kNotFound, "divprune"},
      {[](Plan& plan) { plan.strategy = "random"; }, StatusCode::kInvalidArgument, "give keep"},
      {[](Plan& plan) { plan.layers = 0; }, StatusCode::kInvalidArgument, "layers is 0"},
      {[](Plan& plan) { plan.skipped_layers = {2}; }, StatusCode::kInvalidArgument, "names layer 2; the decoder has 0"},
      {[](Plan& plan) {
         plan.skipped_layers = {0, 1};
       },
       StatusCode::kInvalidArgument, "leaves no layer"},
      {[](Plan& plan) { plan.frozen_layers = {-1}; }, StatusCode::kInvalidArgument, "frozen_layers names layer -1"},
      {[](Plan& plan) {
         plan.prunings = {{1, 0.5}, {0, 0.5}};
       },
       StatusCode::kInvalidArgument, "in the order"},
      {[](Plan& plan) {
         plan.prunings = {{1, 0}};
       },
       StatusCode::kInvalidArgument, "keep_share"},
      {[](Plan& plan) {
         plan.prunings = {{0, 0.5, true}};
       },
       StatusCode::kInvalidArgument, "before layer 0"},
      {[](Plan& plan) {
         plan.strategy = "learned";
         plan.keep = 5;
       },
       StatusCode::kUnsupported, "needs a model that brings a scorer"},
      {[](Plan& plan) { plan.exit = 1.5; }, StatusCode::kInvalidArgument, "exit is 1.5"},
  };
  for (const auto& [change, code, words] : cases) {
    SCOPED_TRACE(words);
    Plan plan;
    change(plan);
    const Status status = error_of(*engine, ask_by(plan));
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_THAT(status.message(), HasSubstr(words));
  }
  Plan asking;
  asking.strategy = "query";
  asking.keep = 5;
  const Status wordless = error_of(*engine, ask_by(asking, {picture_part(1)}));
  EXPECT_EQ(wordless.code(), StatusCode::kInvalidArgument) << wordless.message();
  EXPECT_THAT(wordless.message(), HasSubstr("needs a question"));
  expect_as_fresh(answer(*engine, ask_by({})), ask_by({}));
}

// --- What takes more than the sixteen patches of a tiny tile: the model that comes with the project.

class MiniPlansTest : public ::testing::Test {
 protected:
  static Engine& engine() {
    static const std::unique_ptr<Engine> kEngine = [] {
      EngineOptions options;
      options.model_path = std::string(SACCADE_SOURCE_DIR) + "/models/saccade-mini.gguf";
      options.threads = 2;
      auto loaded = Engine::load(options);
      EXPECT_TRUE(loaded) << loaded.status().message();
      return *std::move(loaded);
    }();
    return *kEngine;
  }
  static Answer ask(const Plan& plan) {
    Request request;
    const std::string picture = std::string(SACCADE_SOURCE_DIR) + "/samples/demo/receipt.png";
    request.messages.push_back(
        {"user", {{ContentPart::Kind::kImage, "", picture, {}}, text_part("What is the total?")}});
    request.plan = plan;
    request.wants_looks = true;
    engine().forget();
    auto answer = engine().answer(request);
    EXPECT_TRUE(answer) << answer.status().message();
    return answer ? *std::move(answer) : Answer();
  }
};

TEST_F(MiniPlansTest, EncoderLayersMergePatches) {
  const Answer full = ask({});
  Plan plan;
  plan.merge = 8;
  const Answer merged = ask(plan);
  const PictureReceipt& picture = merged.receipt.pictures[0];
  EXPECT_EQ(picture.laid_out_tokens, 576);
  EXPECT_LT(picture.encoded_tokens, 576);
  EXPECT_EQ(picture.visual_tokens, picture.encoded_tokens);
  EXPECT_LT(merged.receipt.flops.encode, full.receipt.flops.encode);
  const PictureLook& look = merged.looks[0];
  EXPECT_EQ(look.cells.size(), full.looks[0].cells.size());
  EXPECT_EQ(count(look, CellState::kDropped), 0) << "what was merged is still shown";
  std::vector<int32_t> groups;
  for (const LookedCell& cell : look.cells) groups.push_back(cell.group);
  std::ranges::sort(groups);
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  EXPECT_LE(static_cast<int64_t>(groups.size()), picture.visual_tokens);
  EXPECT_GT(count(look, CellState::kMerged), 576 - picture.visual_tokens);
}

TEST_F(MiniPlansTest, APictureHasNoMoreTokensThanItMay) {
  const auto laid_out = [](const Plan& plan) { return ask(plan).receipt.pictures[0].laid_out_tokens; };
  Plan plan;
  plan.picture_tokens = 450;
  EXPECT_EQ(laid_out(plan), 441);  // 21 x 21
  Plan low;
  low.detail = Detail::kLow;
  EXPECT_EQ(laid_out(low), 256);
  low.skip_equal_margin = -1;
  Request request;
  request.messages.push_back({"user", {text_part("?")}});
  request.plan = low;
  EXPECT_EQ(engine().answer(request).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(MiniPlansTest, AScorerKeepsWhatTheQuestionNeeds) {
  Plan plan;
  plan.strategy = "learned";
  plan.keep = 72;
  const Answer total = ask(plan);
  EXPECT_EQ(total.text, ask({}).text);
  EXPECT_EQ(total.receipt.tokens.visual, 72);
  EXPECT_THAT(engine().info().strategies, ::testing::Contains("learned"));
}

TEST_F(MiniPlansTest, AllOfThemTogether) {
  const Answer full = ask({});
  Plan plan;
  plan.picture_tokens = 450;  // 21 x 21
  plan.resolution = 240;
  plan.crops_margins = true;
  plan.skip_equal = 0;
  plan.merge = 4;
  plan.strategy = "tome";
  plan.keep = 64;
  plan.frozen_layers = {1};
  plan.prunings = {{2, 0.5}};
  plan.exit = 0.9;
  const Answer thrifty = ask(plan);
  const PictureReceipt& picture = thrifty.receipt.pictures[0];
  EXPECT_EQ(picture.laid_out_tokens, 400);
  EXPECT_LT(picture.encoded_tokens, 400);
  EXPECT_LE(picture.visual_tokens, 64);
  EXPECT_LE(thrifty.receipt.decoder.last_visual_tokens, 32);
  EXPECT_LT(thrifty.receipt.flops.total(), 0.5 * full.receipt.flops.total());
  EXPECT_GT(count(thrifty.looks[0], CellState::kMerged), 0);
}

}  // namespace
}  // namespace saccade
