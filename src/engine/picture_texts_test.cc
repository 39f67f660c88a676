// Pictures that are not looked at: text, or nothing, in their place.
#include "engine/picture_texts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/testing/family_test.h"

namespace saccade {
namespace {

using ::saccade::testing::text_part;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ContentPart picture(const std::string& name) {
  ContentPart part;
  part.kind = ContentPart::Kind::kImage;
  part.path = name;
  return part;
}

Request two_turns() {
  Request request;
  request.messages = {{"user", {picture("first"), picture("second"), text_part("Is it red?")}},
                      {"assistant", {text_part("yes")}},
                      {"user", {picture("third"), text_part("And this one?")}}};
  return request;
}

TEST(PictureUses, EarlierPicturesAreThoseBeforeALastMessageWithItsOwn) {
  using enum PictureUse;
  Request request = two_turns();
  Plan plan;
  plan.earlier_pictures = kText;
  EXPECT_THAT(picture_uses(request, plan), ElementsAre(kText, kText, kLook));
  plan.pictures = kNone;
  EXPECT_THAT(picture_uses(request, plan), ElementsAre(kNone, kNone, kNone));
  plan.pictures = kLook;
  request.messages.back().content.erase(request.messages.back().content.begin());
  EXPECT_THAT(picture_uses(request, plan), ElementsAre(kLook, kLook));  // the question is about them
  EXPECT_FALSE(has_earlier_pictures(request));
}

TEST(PictureUses, PartsAreCountedOverAllMessages) {
  EXPECT_EQ(picture_part(two_turns(), 1).path, "second");
  EXPECT_EQ(picture_part(two_turns(), 2).path, "third");
}

TEST(TextInPlace, SaysWhatThereIs) {
  EXPECT_EQ(text_in_place({"a receipt", "Total 3"}), "[Picture: a receipt It says: Total 3]\n");
  EXPECT_EQ(text_in_place({"a dog", ""}), "[Picture: a dog]\n");
  EXPECT_EQ(text_in_place({"", "Total 3"}), "[Picture: It says: Total 3]\n");
  EXPECT_EQ(text_in_place({}), "[Picture]\n");
}

class SubstitutionTest : public testing::FamilyTest {
 protected:
  static Request without_looking(Request request, PictureUse use) {
    request.plan.pictures = use;
    return request;
  }
  Request question() const { return ask({picture_part(0), text_part("Is the lamp red?")}); }
};

INSTANTIATE_TEST_SUITE_P(Families, SubstitutionTest, ::testing::Values("llava", "smolvlm", "qwen2_vl"),
                         testing::family_name);

TEST_P(SubstitutionTest, WhatIsLeftOutIsAsIfItHadNeverBeenThere) {
  const Answer blind = answer(*load(), without_looking(question(), PictureUse::kNone));
  expect_as_fresh(blind, ask({text_part("Is the lamp red?")}));
  EXPECT_EQ(blind.receipt.tokens.visual, 0);
  ASSERT_EQ(blind.receipt.pictures.size(), 1);
  EXPECT_EQ(blind.receipt.pictures[0].use, PictureUse::kNone);
  EXPECT_EQ(blind.receipt.pictures[0].visual_tokens, 0);
  EXPECT_GT(blind.receipt.pictures[0].full_tokens, 0);
  EXPECT_EQ(blind.receipt.flops.encode, 0);
  EXPECT_EQ(blind.receipt.plan, "pictures=none");
}

TEST_P(SubstitutionTest, TextStandsWhereThePictureStoodAndIsMadeOnce) {
  const auto engine = load();
  const Request request = without_looking(question(), PictureUse::kText);
  const Answer first = answer(*engine, request);
  EXPECT_GT(first.receipt.stages_ms.describe, 0);
  EXPECT_EQ(first.receipt.tokens.visual, 0);
  ASSERT_EQ(first.receipt.pictures.size(), 1);
  EXPECT_GT(first.receipt.pictures[0].text_tokens, 0);

  const auto text = engine->describe(picture_part(0));
  ASSERT_TRUE(text.is_ok()) << text.status().message();
  expect_as_fresh(first, ask({text_part(text_in_place(*text)), text_part("Is the lamp red?")}));

  engine->forget();
  const Answer second = answer(*engine, request);
  EXPECT_EQ(second.text, first.text);
  EXPECT_LT(second.receipt.stages_ms.describe, 0.1 * first.receipt.stages_ms.describe);
}

TEST_P(SubstitutionTest, DescribingLeavesTheConversationAsItIs) {
  const auto engine = load();
  const Answer opening = answer(*engine, question());
  ASSERT_TRUE(engine->describe(picture_part(1)).is_ok());
  const Request more = go_on(question(), opening.text, {text_part("And now?")});
  const Answer reply = answer(*engine, more);
  EXPECT_TRUE(reply.receipt.pictures[0].is_cached);
  expect_as_fresh(reply, more);
}

TEST_P(SubstitutionTest, EarlierPicturesMayGoWhileTheLastIsLookedAt) {
  const auto engine = load();
  Request both = go_on(question(), "yes", {picture_part(1), text_part("And this one?")});
  both.plan.earlier_pictures = PictureUse::kNone;
  both.wants_looks = true;
  const Answer reply = answer(*engine, both);
  Request alone = ask({text_part("Is the lamp red?")});
  alone = go_on(alone, "yes", {picture_part(1), text_part("And this one?")});
  expect_as_fresh(reply, alone);
  ASSERT_EQ(reply.receipt.pictures.size(), 2);
  EXPECT_EQ(reply.receipt.pictures[0].use, PictureUse::kNone);
  EXPECT_EQ(reply.receipt.pictures[1].use, PictureUse::kLook);
  EXPECT_GT(reply.receipt.pictures[1].visual_tokens, 0);
  ASSERT_EQ(reply.looks.size(), 2);
  EXPECT_TRUE(reply.looks[0].cells.empty());
  EXPECT_FALSE(reply.looks[1].cells.empty());
}

// Holds what it is given, whichever picture is asked for.
class OneText : public PictureTextStore {
 public:
  Expected<std::optional<PictureText>> find(const std::string& model, const std::string& picture) override {
    EXPECT_FALSE(model.empty());
    EXPECT_EQ(picture.size(), 64);
    return text_;
  }
  Status put(const std::string&, const std::string&, const PictureText& text) override {
    text_ = text;
    return {};
  }

 private:
  std::optional<PictureText> text_;
};

TEST_P(SubstitutionTest, ABudgetTakesTextOnlyWhereItIsThere) {
  EngineOptions options = engine_options();
  options.picture_texts = std::make_shared<OneText>();
  options.price = Price{.image_usd = 1};
  auto loaded = Engine::load(options);
  ASSERT_TRUE(loaded.is_ok());
  const auto engine = *std::move(loaded);
  Request request = question();
  request.budget.max_cost_usd = 1e-9;  // nothing may be looked at
  EXPECT_GT(answer(*engine, request).receipt.tokens.visual, 0);
  ASSERT_TRUE(options.picture_texts->put("", "", {"a", ""}).is_ok());
  const Answer reply = answer(*engine, request);
  EXPECT_EQ(reply.receipt.tokens.visual, 0);
  EXPECT_THAT(reply.receipt.plan, HasSubstr("pictures=text"));
  ASSERT_TRUE(reply.receipt.budget);
  EXPECT_EQ(reply.receipt.budget->claim.kind, QualityClaim::Kind::kPrior);
  EXPECT_NEAR(reply.receipt.budget->predicted.quality, 0.6, 0.1);
  EXPECT_EQ(reply.receipt.stages_ms.describe, 0);

  request.budget = {};
  request.budget.min_quality = 0.9;  // which text is not expected to keep
  EXPECT_GT(answer(*engine, request).receipt.tokens.visual, 0);
}

TEST_P(SubstitutionTest, ATextThatIsNotFinishedIsNotKept) {
  const auto engine = load();
  AnswerCallbacks callbacks;
  callbacks.on_progress = [](const Progress&) { return false; };
  const auto stopped = engine->describe(picture_part(0), callbacks);
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_EQ(stopped.status().code(), StatusCode::kCancelled);
  int64_t num_calls = 0;
  callbacks.on_progress = [&](const Progress&) { return ++num_calls > 0; };
  EXPECT_TRUE(engine->describe(picture_part(0), callbacks).is_ok());
  EXPECT_GT(num_calls, 0);
}

}  // namespace
}  // namespace saccade
