#include "engine/count_tokens.h"

#include <gtest/gtest.h>

#include "engine/testing/family_test.h"

namespace saccade {
namespace {

using testing::FamilyTest;
using testing::text_part;

class CountTokensTest : public FamilyTest {};

TEST_P(CountTokensTest, CountsWhatAnAnswerReads) {
  const auto engine = load();
  for (const int num_pictures : {0, 1, 2}) {
    std::vector<ContentPart> content;
    for (int i = 0; i < num_pictures; ++i) content.push_back(picture_part(i));
    content.push_back(text_part("What is this?"));
    Request request = ask(std::move(content));
    const auto counts = engine->count_tokens(request);
    ASSERT_TRUE(counts) << counts.status().message();
    const Answer answered = answer(*engine, request);
    EXPECT_EQ(counts->text, answered.receipt.tokens.text);
    EXPECT_EQ(counts->visual, answered.receipt.tokens.visual);
  }
}

TEST_P(CountTokensTest, CountsTexts) {
  const auto engine = load();
  EXPECT_EQ(engine->count_tokens(""), 0);
  EXPECT_GT(engine->count_tokens("some words"), 0);
}

TEST_P(CountTokensTest, RefusesWhatCannotBeAsked) {
  const auto engine = load();
  EXPECT_EQ(engine->count_tokens(Request()).status().code(), StatusCode::kInvalidArgument);
  ContentPart picture = picture_part(1);
  picture.path += ".missing";
  EXPECT_EQ(engine->count_tokens(ask({picture, text_part("x")})).status().code(), StatusCode::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(Families, CountTokensTest, ::testing::Values("llava", "smolvlm", "qwen2_vl"),
                         testing::family_name);

}  // namespace
}  // namespace saccade
