#include "engine/prompt.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "engine/testing/temporary_model.h"

namespace saccade {
namespace {

using ::saccade::testing::TemporaryModel;

class PromptTest : public ::testing::Test {
 protected:
  void load(const std::string& family) {
    const std::string dir = std::string(SACCADE_SOURCE_DIR) + "/tests/parity/data/" + family + "/checkpoint";
    const auto converted = TemporaryModel::convert(dir);
    ASSERT_TRUE(converted) << converted.status().message();
    auto model = Model::load(converted->path(), "");  // what is mapped stays when the file is removed
    ASSERT_TRUE(model) << model.status().message();
    model_.emplace(*std::move(model));
  }
  Prompt build(const std::vector<PromptSpan>& spans, const std::vector<PictureFacts>& pictures = {}) {
    auto prompt = build_prompt(*model_, spans, pictures);
    EXPECT_TRUE(prompt) << prompt.status().message();
    return *std::move(prompt);
  }

  static constexpr auto kTemplate = PromptSpan::Kind::kTemplate;
  static constexpr auto kImage = PromptSpan::Kind::kImage;
  const PictureFacts square_ = {{56, 56}, 1};
  std::optional<Model> model_;
};

TEST_F(PromptTest, BeginsWithTheBosWhateverComesFirst) {
  load("llava");
  const TokenId bos = model_->tokenizer->bos().value();
  const Prompt picture_first = build({{kImage, ""}, {kTemplate, " What is it?"}}, {square_});
  EXPECT_EQ(picture_first.tokens.front(), bos);
  EXPECT_EQ(std::ranges::count(picture_first.tokens, bos), 1);
  EXPECT_EQ(picture_first.media.front().first_row, 1);
  EXPECT_EQ(picture_first.media.front().first_position, 1);
  const Prompt text_first = build({{kTemplate, "A picture: "}, {kImage, ""}}, {square_});
  EXPECT_EQ(text_first.tokens.front(), bos);
  EXPECT_EQ(std::ranges::count(text_first.tokens, bos), 1);
  const Prompt two_pictures = build({{kImage, ""}, {kImage, ""}}, {square_, square_});
  EXPECT_EQ(std::ranges::count(two_pictures.tokens, bos), 1);
  EXPECT_EQ(build({}).num_rows(), 0);
}

TEST_F(PromptTest, BeginsWithThePictureWhereTheFileAsksForNoBos) {
  load("qwen2_vl");
  const Prompt prompt = build({{kImage, ""}, {kTemplate, "x"}}, {square_});
  EXPECT_EQ(prompt.media.front().first_row, 0);
}

TEST_F(PromptTest, FingerprintsTellPicturesApart) {
  load("llava");
  const std::vector<PromptSpan> spans = {{kTemplate, "See "}, {kImage, ""}};
  const Prompt one = build(spans, {{{56, 56}, 1}});
  EXPECT_EQ(build(spans, {{{56, 56}, 1}}).fingerprints, one.fingerprints);
  const Prompt other = build(spans, {{{56, 56}, 2}});
  const auto first_row = static_cast<size_t>(one.media.front().first_row);
  ASSERT_EQ(other.fingerprints.size(), one.fingerprints.size());
  for (size_t row = 0; row < one.fingerprints.size(); ++row) {
    EXPECT_EQ(other.fingerprints[row] == one.fingerprints[row], row < first_row) << row;
  }
}

TEST_F(PromptTest, TokensThatAreLeftKeepTheirPositionsOrStandSideBySide) {
  load("llava");
  const std::vector<PromptSpan> spans = {{kTemplate, "See "}, {kImage, ""}, {kTemplate, "x"}};
  const Prompt full = build(spans, {square_});
  for (const bool is_repacked : {false, true}) {
    Prompt prompt = build(spans, {{.size = {56, 56}, .digest = 1, .kept = {{1, 4, 15}}, .is_repacked = is_repacked}});
    ASSERT_EQ(prompt.media.size(), 1U);
    const MediaRun& run = prompt.media.front();
    EXPECT_EQ(run.num_tokens, 3);
    EXPECT_EQ(run.num_laid_out, 16);
    EXPECT_EQ(prompt.num_rows(), full.num_rows() - 13);
    EXPECT_EQ(prompt.next_position, full.next_position - (is_repacked ? 13 : 0));
    MediaTokens tokens;
    tokens.vectors = Tensor({3, model_->decoder->config().model_dim});
    tokens.vectors.fill(0);
    tokens.cells = {1, 4, 15};
    tokens.places = {{0, 0, 1}, {0, 1, 0}, {0, 3, 3}};
    const MediaTokens* vectors[] = {&tokens};
    embed_rows(*model_, prompt, 0, vectors);
    std::vector<int32_t> offsets;
    for (int64_t i = 0; i < 3; ++i) {
      offsets.push_back(prompt.positions[static_cast<size_t>(run.first_row + i)].t - run.first_position);
    }
    EXPECT_EQ(offsets, is_repacked ? (std::vector<int32_t>{0, 1, 2}) : (std::vector<int32_t>{1, 4, 15}));
  }
}

TEST_F(PromptTest, CountsPlacesAndPictures) {
  load("llava");
  const std::vector<PromptSpan> spans = {{kImage, ""}};
  EXPECT_EQ(build_prompt(*model_, spans, {}).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace saccade
