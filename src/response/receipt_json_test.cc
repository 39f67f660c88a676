#include "response/receipt_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace saccade {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ReceiptJson, HasEveryStageAndPicture) {
  Answer answer;
  answer.text = "a \"quoted\" text";
  answer.receipt.ttft_ms = 12.34567;
  answer.receipt.stages_ms.prompt = 2.5;
  answer.receipt.stages_ms.compress = 1.25;
  answer.receipt.pictures = {
      {.name = "a.png",
       .width = 40,
       .height = 30,
       .resized_width = 80,
       .resized_height = 60,
       .num_tiles = 5,
       .full_tokens = 1088,
       .laid_out_tokens = 320,
       .encoded_tokens = 200,
       .visual_tokens = 64},
      {.name = "b.png", .num_tiles = 1, .laid_out_tokens = 64, .visual_tokens = 9, .is_cached = true}};
  answer.receipt.tokens.budget = 1;
  const nlohmann::json json = nlohmann::json::parse(answer_json(answer));
  EXPECT_EQ(json["answer"], answer.text);
  const nlohmann::json& receipt = json["receipt"];
  EXPECT_EQ(receipt["ttft_ms"], 12.346);
  EXPECT_EQ(receipt["stages_ms"].size(), 11U);
  EXPECT_EQ(receipt["stages_ms"]["prompt"], 2.5);
  EXPECT_EQ(receipt["stages_ms"]["compress"], 1.25);
  const nlohmann::json first = {{"name", "a.png"},       {"width", 40},
                                {"height", 30},          {"resized_width", 80},
                                {"resized_height", 60},  {"tiles", 5},
                                {"full_tokens", 1088},   {"laid_out_tokens", 320},
                                {"encoded_tokens", 200}, {"visual_tokens", 64},
                                {"cached", false},       {"use", "look"},
                                {"text_tokens", 0},      {"encoded_before", false}};
  EXPECT_EQ(receipt["pictures"][0], first);
  EXPECT_EQ(receipt["pictures"][1]["encoded_tokens"], 0);
  EXPECT_EQ(receipt["pictures"][1]["cached"], true);
  EXPECT_EQ(receipt["tokens"]["budget"], 1);
  EXPECT_FALSE(receipt.contains("chat_template_note"));
}

TEST(ReceiptJson, SaysHowMuchOfTheModelRan) {
  Answer answer;
  answer.receipt.flops = {.encode = 3e9, .prefill = 2e9, .decode = 1e9};
  answer.receipt.decoder = {
      .num_layers = 4, .prefill_layers = 2.51234, .decode_layers = 3.5, .layers = {0, 2, 3}, .last_visual_tokens = 18};
  const nlohmann::json receipt = nlohmann::json::parse(answer_json(answer))["receipt"];
  const nlohmann::json flops = {{"encode", 3e9}, {"prefill", 2e9}, {"decode", 1e9}, {"total", 6e9}};
  EXPECT_EQ(receipt["flops"], flops);
  const nlohmann::json decoder = {{"num_layers", 4},
                                  {"layers", {0, 2, 3}},
                                  {"prefill_layers", 2.512},
                                  {"decode_layers", 3.5},
                                  {"last_visual_tokens", 18}};
  EXPECT_EQ(receipt["decoder"], decoder);
  EXPECT_THAT(receipt_table(answer.receipt),
              HasSubstr("6.0 GFLOP: 3.0 looking, 2.0 reading, 1.0 answering; layers 2.5 of 4 reading, 3.5 answering"));
}

TEST(ReceiptJson, TheTableNamesPicturesWithFewerTokens) {
  Receipt receipt;
  receipt.pictures = {{.name = "a.png", .laid_out_tokens = 64, .encoded_tokens = 64, .visual_tokens = 64},
                      {.name = "a.png", .laid_out_tokens = 64, .encoded_tokens = 40, .visual_tokens = 12},
                      {.name = "a.png", .laid_out_tokens = 64, .visual_tokens = 10, .is_cached = true}};
  const std::string table = receipt_table(receipt);
  EXPECT_THAT(table, Not(HasSubstr("picture 1")));
  EXPECT_THAT(table, HasSubstr("  picture 2: 12 of 64 visual tokens, 40 encoded\n"));
  EXPECT_THAT(table, HasSubstr("  picture 3: 10 of 64 visual tokens\n"));
}

TEST(ReceiptJson, HasNoTimeOfAFirstTokenThatNeverCame) {
  Answer answer;
  answer.receipt.finish_reason = "cancelled";
  const nlohmann::json json = nlohmann::json::parse(answer_json(answer));
  EXPECT_TRUE(json["receipt"]["ttft_ms"].is_null());
  EXPECT_THAT(receipt_table(answer.receipt), Not(HasSubstr("first token")));
  answer.receipt.ttft_ms = 3;
  EXPECT_THAT(receipt_table(answer.receipt), HasSubstr("first token after 3.0"));
}

TEST(ReceiptJson, ReplacesWhatIsNotUtf8) {
  Answer answer;
  answer.text = "caf\xe9";
  EXPECT_EQ(nlohmann::json::parse(answer_json(answer))["answer"], "caf\xEF\xBF\xBD");
}

}  // namespace
}  // namespace saccade
