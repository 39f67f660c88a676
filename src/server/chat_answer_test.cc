#include "server/chat_answer.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace saccade {
namespace {

using Json = nlohmann::json;

constexpr int64_t kCreated = 1'700'000'000;

ChatAnswerHead head() {
  return {"req-1", kCreated, "mini", "fp_1"};
}

Answer answer(std::string text, int64_t generated) {
  Answer answer;
  answer.text = std::move(text);
  answer.receipt.request_id = "req-1";
  answer.receipt.finish_reason = "stop";
  answer.receipt.tokens = {.text = 10, .visual = 576, .cached = 4, .generated = generated};
  return answer;
}

// The object within an event of a stream.
Json object_of(const std::string& event) {
  EXPECT_TRUE(event.starts_with("data: ")) << event;
  EXPECT_TRUE(event.ends_with("\n\n")) << event;
  EXPECT_EQ(event.find('\n'), event.size() - 2) << event;
  return Json::parse(event.substr(6));
}

TEST(ChatAnswer, IsAChatCompletion) {
  const Json json = Json::parse(chat_completion_json(head(), {answer("It is \"42\".\n", 7)}));
  EXPECT_EQ(json["id"], "req-1");
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["created"], kCreated);
  EXPECT_EQ(json["model"], "mini");
  EXPECT_EQ(json["system_fingerprint"], "fp_1");
  EXPECT_EQ(json["choices"][0]["message"]["content"], "It is \"42\".\n");
  EXPECT_EQ(json["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(json["saccade"]["request_id"], "req-1");
  const Json usage = json["usage"];
  EXPECT_EQ(usage["prompt_tokens"], 586);
  EXPECT_EQ(usage["completion_tokens"], 7);
  EXPECT_EQ(usage["total_tokens"], 593);
  EXPECT_EQ(usage["prompt_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(usage["prompt_tokens_details"]["image_tokens"], 576);
  EXPECT_EQ(usage["prompt_tokens_details"]["text_tokens"], 10);
}

TEST(ChatAnswer, CountsThePromptOfSeveralChoicesOnce) {
  const Json json = Json::parse(chat_completion_json(head(), {answer("a", 3), answer("b", 4)}));
  EXPECT_EQ(json["choices"].size(), 2u);
  EXPECT_EQ(json["choices"][1]["index"], 1);
  EXPECT_EQ(json["choices"][1]["saccade"]["tokens"]["generated"], 4);
  EXPECT_FALSE(json.contains("saccade"));
  EXPECT_EQ(json["usage"]["prompt_tokens"], 586);
  EXPECT_EQ(json["usage"]["completion_tokens"], 7);
}

TEST(ChatAnswer, KeepsTextThatIsNoUtf8Readable) {
  const Json json = Json::parse(chat_completion_json(head(), {answer("\xff!", 1)}));
  EXPECT_EQ(json["choices"][0]["message"]["content"], "\xef\xbf\xbd!");
}

TEST(ChatAnswer, TellsHowLikelyItsTokensWere) {
  Answer told = answer("\xc3\xa9", 2);
  told.logprobs = {{{"\xc3", -0.5}, {{"\xc3", -0.5}, {"a", -1}}},
                   {{"\xa9", -std::numeric_limits<double>::infinity()}, {{"<", -0.25}, {"", -2}}}};
  const Json logprobs = Json::parse(chat_completion_json(head(), {told}, true))["choices"][0]["logprobs"];
  ASSERT_EQ(logprobs["content"].size(), 2U);
  EXPECT_EQ(logprobs["content"][0], Json::parse(R"({"token": "\ufffd", "logprob": -0.5, "bytes": [195], "top_logprobs":
      [{"token": "\ufffd", "logprob": -0.5, "bytes": [195]}, {"token": "a", "logprob": -1.0, "bytes": [97]}]})"));
  EXPECT_EQ(logprobs["content"][1]["logprob"], -9999);
  EXPECT_EQ(logprobs["content"][1]["top_logprobs"][1]["bytes"], Json::array());
  EXPECT_TRUE(logprobs["refusal"].is_null());
  EXPECT_TRUE(Json::parse(chat_completion_json(head(), {told}))["choices"][0]["logprobs"].is_null());
  EXPECT_EQ(Json::parse(chat_completion_json(head(), {answer("", 0)}, true))["choices"][0]["logprobs"]["content"],
            Json::array());
  const ChatChunks chunks(head(), false);
  const Json choice = object_of(chunks.text(0, "\xc3\xa9", told.logprobs))["choices"][0];
  EXPECT_EQ(choice["logprobs"], logprobs);
  EXPECT_TRUE(object_of(chunks.text(0, "x"))["choices"][0]["logprobs"].is_null());
  EXPECT_EQ(object_of(chunks.end(0, told.receipt, told.logprobs))["choices"][0]["logprobs"], logprobs);
}

TEST(ChatChunks, AreEventsOfAStream) {
  const ChatChunks chunks(head(), false);
  const Json role = object_of(chunks.role(0));
  EXPECT_EQ(role["object"], "chat.completion.chunk");
  EXPECT_EQ(role["choices"][0]["delta"]["role"], "assistant");
  EXPECT_TRUE(role["choices"][0]["finish_reason"].is_null());
  EXPECT_FALSE(role.contains("usage"));
  const Json text = object_of(chunks.text(1, "two\nlines\r\n"));
  EXPECT_EQ(text["choices"][0]["index"], 1);
  EXPECT_EQ(text["choices"][0]["delta"]["content"], "two\nlines\r\n");
  const Json end = object_of(chunks.end(0, answer("", 2).receipt));
  EXPECT_EQ(end["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(end["choices"][0]["delta"].empty());
  EXPECT_EQ(end["saccade"]["tokens"]["visual"], 576);
  EXPECT_EQ(sse_done(), "data: [DONE]\n\n");
}

TEST(ChatChunks, HaveUsageWhereItIsAskedFor) {
  const ChatChunks chunks(head(), true);
  EXPECT_TRUE(object_of(chunks.text(0, "x")).at("usage").is_null());
  ChatUsage usage;
  usage.add(answer("", 2).receipt);
  const Json last = object_of(chunks.usage(usage));
  EXPECT_TRUE(last["choices"].is_array());
  EXPECT_TRUE(last["choices"].empty());
  EXPECT_EQ(last["usage"]["completion_tokens"], 2);
}

}  // namespace
}  // namespace saccade
