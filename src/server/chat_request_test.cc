#include "server/chat_request.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>

namespace saccade {
namespace {

HttpRequest http_of(std::string_view body, HttpFields fields = {}) {
  HttpRequest http;
  http.fields = std::move(fields);
  http.body.append(body);
  return http;
}

ChatRequest parsed(std::string_view body, HttpFields fields = {}) {
  ChatRequest chat;
  const auto error = parse_chat_request(http_of(body, std::move(fields)), chat);
  EXPECT_FALSE(error) << error->message << " of " << body;
  return chat;
}

ApiError refused(std::string_view body, HttpFields fields = {}) {
  ChatRequest chat;
  const auto error = parse_chat_request(http_of(body, std::move(fields)), chat);
  EXPECT_TRUE(error) << body;
  return error.value_or(ApiError());
}

// A question with further fields in front of it.
std::string ask(const std::string& fields) {
  return "{" + fields + R"(, "messages": [{"role": "user", "content": "Why?"}]})";
}

std::string ask_part(const std::string& part) {
  return R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "Why?"}, )" + part + "]}]}";
}

TEST(ChatRequest, ReadsHowManyLogProbabilitiesAreWanted) {
  EXPECT_FALSE(parsed(ask(R"("model": "m")")).request.logprobs);
  EXPECT_FALSE(parsed(ask(R"("logprobs": false)")).request.logprobs);
  EXPECT_EQ(parsed(ask(R"("logprobs": true)")).request.logprobs, 0);
  EXPECT_EQ(parsed(ask(R"("top_logprobs": 20, "logprobs": true)")).request.logprobs, 20);
}

TEST(ChatRequest, ReadsMessages) {
  const ChatRequest chat = parsed(R"({"model": "mini", "messages": [
      {"role": "developer", "content": "Be \"brief\".\n\u00e9\ud83d\ude00"},
      {"content": "What?", "role": "user", "name": "ada"},
      {"role": "assistant", "content": [{"type": "text", "text": "That."}]},
      {"role": "user", "content": [
        {"type": "image_url", "image_url": {"detail": "low", "url": "data:image/png;base64,Zm9v"}},
        {"image_url": "data:;base64,Zm9vYg==", "type": "image_url"},
        {"text": "And this?", "type": "text"}]}]})");
  EXPECT_EQ(chat.model, "mini");
  const auto& messages = chat.request.messages;
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[0].content[0].text, "Be \"brief\".\n\u00e9\U0001F600");
  EXPECT_EQ(messages[1].role, "user");
  EXPECT_EQ(messages[2].content[0].text, "That.");
  ASSERT_EQ(messages[3].content.size(), 3u);
  EXPECT_EQ(messages[3].content[0].kind, ContentPart::Kind::kImage);
  EXPECT_EQ(messages[3].content[0].detail, Detail::kLow);
  EXPECT_EQ(messages[3].content[0].bytes.size(), 3u);
  EXPECT_EQ(messages[3].content[1].bytes.size(), 4u);
  EXPECT_EQ(messages[3].content[2].text, "And this?");
  EXPECT_TRUE(chat.media.empty());
}

TEST(ChatRequest, ReadsSettings) {
  const ChatRequest chat = parsed(ask(R"("max_tokens": 17, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05,
      "repetition_penalty": 1.1, "seed": 7, "stop": ["a", "b"], "n": 2, "stream": true,
      "stream_options": {"include_usage": true, "other": 1}, "user": "ada", "response_format": {"type": "text"},
      "logprobs": false, "tools": [], "logit_bias": {"50256": -100}, "unknown": {"deep": [1, {"er": null}]})"));
  const Request& request = chat.request;
  EXPECT_EQ(request.max_tokens, 17);
  EXPECT_FLOAT_EQ(request.sampling.temperature, 0.5f);
  EXPECT_FLOAT_EQ(request.sampling.top_p, 0.9f);
  EXPECT_EQ(request.sampling.top_k, 40);
  EXPECT_FLOAT_EQ(request.sampling.min_p, 0.05f);
  EXPECT_FLOAT_EQ(request.sampling.repetition_penalty, 1.1f);
  EXPECT_EQ(request.sampling.seed, 7u);
  EXPECT_EQ(request.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(chat.num_choices, 2);
  EXPECT_TRUE(chat.is_streamed);
  EXPECT_TRUE(chat.wants_usage);
}

TEST(ChatRequest, TakesNullAsAbsentAndWholeRealsAsNumbers) {
  const ChatRequest chat = parsed(ask(R"("max_tokens": null, "max_completion_tokens": 16.0, "stop": null, "n": null,
      "stream": null, "stream_options": null, "temperature": 1, "seed": -1, "top_k": -1, "saccade": null)"));
  EXPECT_EQ(chat.request.max_tokens, 16);
  EXPECT_TRUE(chat.request.stop.empty());
  EXPECT_EQ(chat.num_choices, 1);
  EXPECT_EQ(chat.request.sampling.seed, UINT64_MAX);
  EXPECT_EQ(chat.request.sampling.top_k, 0);
  EXPECT_EQ(parsed(ask(R"("stop": "end")")).request.stop, std::vector<std::string>{"end"});
}

TEST(ChatRequest, ReadsBudgets) {
  const Request request = parsed(ask(R"("saccade": {"max_latency_ms": 300, "max_ttft_ms": 50.5, "max_cost_usd": 1e-5,
      "min_quality": 0.97, "mode": "strict", "plan": "keep=144,strategy=divprune", "later": true})"))
                              .request;
  EXPECT_EQ(request.budget.max_latency_ms, 300);
  EXPECT_EQ(request.budget.max_ttft_ms, 50.5);
  EXPECT_EQ(request.budget.max_cost_usd, 1e-5);
  EXPECT_EQ(request.budget.min_quality, 0.97);
  EXPECT_EQ(request.budget.mode, BudgetMode::kStrict);
  EXPECT_EQ(request.plan.keep, 144);
  EXPECT_EQ(request.plan.strategy, "divprune");
}

TEST(ChatRequest, ReadsBudgetsOfTheHeaderUnlessTheBodyHasThem) {
  const HttpFields fields = {{"x-saccade-max-latency-ms", "250"},
                             {"x-llm-d-slo-ttft-ms", "80"},
                             {"x-saccade-max-cost-usd", "0.5"},
                             {"x-saccade-min-quality", "0.9"},
                             {"x-saccade-mode", "strict"}};
  const Budget budget = parsed(ask(R"("n": 1)"), fields).request.budget;
  EXPECT_EQ(budget.max_latency_ms, 250);
  EXPECT_EQ(budget.max_ttft_ms, 80);
  EXPECT_EQ(budget.max_cost_usd, 0.5);
  EXPECT_EQ(budget.min_quality, 0.9);
  EXPECT_EQ(budget.mode, BudgetMode::kStrict);
  const Budget ours = parsed(ask(R"("saccade": {"max_latency_ms": 10, "mode": "best_effort"})"), fields).request.budget;
  EXPECT_EQ(ours.max_latency_ms, 10);
  EXPECT_EQ(ours.min_quality, 0.9);
  EXPECT_EQ(ours.mode, BudgetMode::kBestEffort);
  EXPECT_EQ(parsed(ask(R"("n": 1)"), {{"x-saccade-max-ttft-ms", "40"}, {"x-llm-d-slo-ttft-ms", "80"}})
                .request.budget.max_ttft_ms,
            40);
  EXPECT_EQ(refused(ask(R"("n": 1)"), {{"x-saccade-max-latency-ms", "soon"}}).param, "x-saccade-max-latency-ms");
  EXPECT_EQ(refused(ask(R"("n": 1)"), {{"x-saccade-min-quality", "2"}}).param, "x-saccade-min-quality");
  EXPECT_EQ(refused(ask(R"("n": 1)"), {{"x-saccade-mode", "lax"}}).param, "x-saccade-mode");
}

TEST(ChatRequest, NamesPicturesThatAreElsewhere) {
  const ChatRequest chat =
      parsed(R"({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi"},
      {"role": "user", "content": [
        {"type": "text", "text": "Compare"},
        {"type": "image_url", "image_url": {"url": "https:\/\/example.com\/a.png"}, "uuid": "one"},
        {"type": "image_url", "image_url": {"url": ""}, "uuid": "two"},
        {"type": "image_url", "image_url": null, "uuid": "three"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,Zm9v"}, "uuid": "four"}]}]})");
  ASSERT_EQ(chat.media.size(), 4u);
  EXPECT_EQ(chat.media[0].message_idx, 2u);
  EXPECT_EQ(chat.media[0].part_idx, 1u);
  EXPECT_EQ(chat.media[0].url, "https://example.com/a.png");
  EXPECT_EQ(chat.media[0].uuid, "one");
  EXPECT_EQ(chat.media[0].param, "messages[2].content[1].image_url.url");
  EXPECT_EQ(chat.media[1].url, "");
  EXPECT_EQ(chat.media[1].param, "messages[2].content[2].uuid");
  EXPECT_EQ(chat.media[2].uuid, "three");
  EXPECT_EQ(chat.media[3].url, "");
  EXPECT_EQ(chat.request.messages[2].content[4].bytes.size(), 3u);
}

TEST(ChatRequest, SaysWhichFieldIsWrong) {
  const std::pair<std::string, std::string> cases[] = {
      {ask(R"("max_tokens": 0)"), "max_tokens"},
      {ask(R"("max_tokens": 1.5)"), "max_tokens"},
      {ask(R"("max_tokens": "many")"), "max_tokens"},
      {ask(R"("max_tokens": 99999999999999999999)"), "max_tokens"},
      {ask(R"("max_completion_tokens": -3)"), "max_completion_tokens"},
      {ask(R"("temperature": -0.1)"), "temperature"},
      {ask(R"("temperature": "hot")"), "temperature"},
      {ask(R"("top_p": 1.1)"), "top_p"},
      {ask(R"("top_k": -2)"), "top_k"},
      {ask(R"("min_p": 2)"), "min_p"},
      {ask(R"("repetition_penalty": 0)"), "repetition_penalty"},
      {ask(R"("seed": "x")"), "seed"},
      {ask(R"("stop": 5)"), "stop"},
      {ask(R"("stop": [1])"), "stop[0]"},
      {ask(R"("stop": [""])"), "stop"},
      {ask(R"("stop": ["a","a","a","a","a","a","a","a","a","a","a","a","a","a","a","a","a"])"), "stop"},
      {ask(R"("n": 0)"), "n"},
      {ask(R"("n": 17)"), "n"},
      {ask(R"("stream": "yes")"), "stream"},
      {ask(R"("stream_options": [])"), "stream_options"},
      {ask(R"("stream_options": {"include_usage": 1})"), "stream_options.include_usage"},
      {ask(R"("model": 5)"), "model"},
      {ask(R"("logprobs": 1)"), "logprobs"},
      {ask(R"("logprobs": true, "top_logprobs": 21)"), "top_logprobs"},
      {ask(R"("logprobs": true, "top_logprobs": -1)"), "top_logprobs"},
      {ask(R"("top_logprobs": 2)"), "top_logprobs"},
      {ask(R"("logprobs": false, "top_logprobs": 2)"), "top_logprobs"},
      {ask(R"("response_format": {"type": "json_object"})"), "response_format"},
      {ask(R"("response_format": {"type": 1})"), "response_format.type"},
      {ask(R"("tools": [{"type": "function"}])"), "tools"},
      {ask(R"("saccade": 5)"), "saccade"},
      {ask(R"("saccade": {"max_latency_ms": 0})"), "saccade.max_latency_ms"},
      {ask(R"("saccade": {"max_ttft_ms": -1})"), "saccade.max_ttft_ms"},
      {ask(R"("saccade": {"max_cost_usd": "1"})"), "saccade.max_cost_usd"},
      {ask(R"("saccade": {"min_quality": 1.5})"), "saccade.min_quality"},
      {ask(R"("saccade": {"mode": "maybe"})"), "saccade.mode"},
      {ask(R"("saccade": {"plan": "keep=few"})"), "saccade.plan"},
      {R"({})", "messages"},
      {R"({"messages": []})", "messages"},
      {R"({"messages": "hello"})", "messages"},
      {R"({"messages": ["hello"]})", "messages[0]"},
      {R"({"messages": [{"content": "x"}]})", "messages[0].role"},
      {R"({"messages": [{"role": "tool", "content": "x"}]})", "messages[0].role"},
      {R"({"messages": [{"role": "user"}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": []}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": 5}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]})", "messages"},
      {R"({"messages": [{"role": "assistant", "content": null, "tool_calls": []}]})", "messages[0].tool_calls"},
      {ask_part(R"("x")"), "messages[0].content[1]"},
      {ask_part(R"({"text": "x"})"), "messages[0].content[1].type"},
      {ask_part(R"({"type": "input_audio"})"), "messages[0].content[1].type"},
      {ask_part(R"({"type": "text"})"), "messages[0].content[1].text"},
      {ask_part(R"({"type": "text", "text": 1})"), "messages[0].content[1].text"},
      {ask_part(R"({"type": "image_url"})"), "messages[0].content[1].image_url.url"},
      {ask_part(R"({"type": "image_url", "image_url": {}})"), "messages[0].content[1].image_url.url"},
      {ask_part(R"({"type": "image_url", "image_url": {"url": 5}})"), "messages[0].content[1].image_url.url"},
      {ask_part(R"({"type": "image_url", "image_url": {"url": "http://a/)" + std::string(8192, 'x') + "\"}}"),
       "messages[0].content[1].image_url.url"},
      {ask_part(R"({"type": "image_url", "image_url": {"url": "data:image/png,AAAA"}})"),
       "messages[0].content[1].image_url.url"},
      {ask_part(R"({"type": "image_url", "image_url": {"url": "data:image/png;base64,A!AA"}})"),
       "messages[0].content[1].image_url.url"},
      {ask_part(R"({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}})"),
       "messages[0].content[1].image_url.url"},
      {ask_part(R"({"type": "image_url", "image_url": {"url": "a.png", "detail": "fine"}})"),
       "messages[0].content[1].image_url.detail"},
      {ask_part(R"({"type": "image_url", "image_url": {"url": "a.png"}, "uuid": ")" + std::string(257, 'u') + "\"}"),
       "messages[0].content[1].uuid"},
  };
  for (const auto& [body, param] : cases) {
    const ApiError error = refused(body);
    EXPECT_EQ(error.status, 400) << body;
    EXPECT_EQ(error.param, param) << body << ": " << error.message;
    EXPECT_FALSE(error.message.empty());
    EXPECT_FALSE(error.code.empty()) << body;
  }
  EXPECT_EQ(refused(R"({"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": "a.png"}]},
      {"role": "user", "content": "x"}]})")
                .param,
            "messages[0]");
}

TEST(ChatRequest, RefusesWhatIsNoJson) {
  const std::string whole = ask(R"("n": 1)");
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(refused(whole.substr(0, length)).status, 400) << length;
  }
  for (const char* body : {"", "[]", "5", "\"text\"", "null", "{} {}", "{\"a\": }", "{\"a\" 1}", "{\"messages\": [}",
                           "{\"a\": \"\xff\"}", "{\"a\": \"\\u12\", \"messages\": [{\"role\": \"\\q\"}]}"}) {
    EXPECT_EQ(refused(body).status, 400) << body;
  }
  EXPECT_EQ(refused(whole + "x").code, "invalid_json");
  EXPECT_EQ(refused(std::string(5000, '[')).status, 400);
  EXPECT_EQ(refused("{\"messages\": " + std::string(5000, '[')).status, 400);
}

TEST(ChatRequest, SurvivesDamage) {
  const std::string whole =
      R"({"model": "m", "n": 2, "stop": ["a\u00e9", "b"], "saccade": {"max_latency_ms": 3e2, "plan": "keep=9"},
      "messages": [{"role": "user", "content": [{"type": "text", "text": "\ud83d\ude00"}, {"uuid": "u", "type":
      "image_url", "image_url": {"detail": "low", "url": "data:image/png;base64,Zm9v\/\/8="}}]}], "stream": true})";
  parsed(whole);
  constexpr std::string_view kBytes = "{}[]\",:\\0-9.eE+/=\x01\x7f\xff\xc3 tfnu";
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string body = whole;
    for (uint32_t num_left = 1 + random() % 4; num_left > 0; --num_left) {
      const size_t position = random() % body.size();
      if (random() % 4 == 0) {
        body.erase(position, 1 + random() % 8);
      } else {
        body[position] = kBytes[random() % kBytes.size()];
      }
    }
    ChatRequest chat;
    const auto error = parse_chat_request(http_of(body), chat);
    if (error) {
      EXPECT_EQ(error->status, 400) << body;
      EXPECT_FALSE(error->message.empty()) << body;
    }
  }
}

TEST(ChatRequest, ReadsWhatIsToBeCounted) {
  TokenizeRequest asked;
  EXPECT_FALSE(parse_tokenize_request(http_of(R"({"text": "some words"})"), asked));
  EXPECT_EQ(asked.text, "some words");
  asked = {};
  EXPECT_FALSE(parse_tokenize_request(http_of(ask(R"("model": "m")")), asked));
  EXPECT_FALSE(asked.text);
  EXPECT_EQ(asked.chat.request.messages.size(), 1u);
  EXPECT_EQ(parse_tokenize_request(http_of(ask(R"("text": "x")")), asked).value().param, "text");
  EXPECT_EQ(parse_tokenize_request(http_of("{}"), asked = {}).value().param, "messages");
}

TEST(ChatRequest, ReadsFeedback) {
  FeedbackRequest feedback;
  EXPECT_FALSE(parse_feedback_request(http_of(R"({"request_id": "req-1", "score": 0.25})"), feedback));
  EXPECT_EQ(feedback.request_id, "req-1");
  EXPECT_EQ(feedback.score, 0.25);
  EXPECT_FALSE(parse_feedback_request(http_of(R"({"id": "req-1", "wrong": true})"), feedback));
  EXPECT_EQ(feedback.score, 0);
  EXPECT_FALSE(parse_feedback_request(http_of(R"({"id": "req-1", "right": true})"), feedback));
  EXPECT_EQ(feedback.score, 1);
  EXPECT_EQ(parse_feedback_request(http_of(R"({"score": 1})"), feedback = {}).value().param, "request_id");
  EXPECT_EQ(parse_feedback_request(http_of(R"({"id": "req-1"})"), feedback = {}).value().param, "score");
  EXPECT_EQ(parse_feedback_request(http_of(R"({"id": "req-1", "score": 2})"), feedback = {}).value().param, "score");
}

}  // namespace
}  // namespace saccade
