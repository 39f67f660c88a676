#include "response/receipt_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace saccade {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ReceiptJson, HasEveryStageAndPicture) {
  Answer answer = {"a \"quoted\" text", {}};
  answer.receipt.ttft_ms = 12.34567;
  answer.receipt.stages_ms.prompt = 2.5;
  answer.receipt.pictures = {{.name = "a.png", .num_tiles = 5, .is_cached = true}, {.name = "b.png"}};
  answer.receipt.tokens.budget = 1;
  const nlohmann::json json = nlohmann::json::parse(answer_json(answer));
  EXPECT_EQ(json["answer"], answer.text);
  const nlohmann::json& receipt = json["receipt"];
  EXPECT_EQ(receipt["ttft_ms"], 12.346);
  EXPECT_EQ(receipt["stages_ms"].size(), 9U);
  EXPECT_EQ(receipt["stages_ms"]["prompt"], 2.5);
  EXPECT_EQ(receipt["tokens"]["budget"], 1);
  EXPECT_EQ(receipt["pictures"][0]["tiles"], 5);
  EXPECT_EQ(receipt["pictures"][0]["cached"], true);
  EXPECT_EQ(receipt["pictures"][1]["cached"], false);
  EXPECT_FALSE(receipt.contains("chat_template_note"));
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
  Answer answer = {"caf\xe9", {}};
  EXPECT_EQ(nlohmann::json::parse(answer_json(answer))["answer"], "caf\xEF\xBF\xBD");
}

}  // namespace
}  // namespace saccade
