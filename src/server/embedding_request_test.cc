#include "server/embedding_request.h"

#include <gtest/gtest.h>

#include <string>

namespace saccade {
namespace {

HttpRequest http_of(std::string_view body) {
  HttpRequest http;
  http.body.append(body);
  return http;
}

EmbeddingRequest parsed(std::string_view body) {
  EmbeddingRequest asked;
  const auto error = parse_embedding_request(http_of(body), asked);
  EXPECT_FALSE(error) << error->message << " of " << body;
  return asked;
}

std::string text_of(const EmbeddingInput& input) {
  return input.request.messages.at(0).content.at(0).text;
}

TEST(EmbeddingRequest, ReadsTexts) {
  const EmbeddingRequest one = parsed(R"({"model": "mini", "input": "h\u00e9", "encoding_format": "base64"})");
  ASSERT_EQ(one.inputs.size(), 1U);
  EXPECT_EQ(text_of(one.inputs[0]), "h\xc3\xa9");
  EXPECT_EQ(one.inputs[0].request.messages[0].role, "user");
  EXPECT_EQ(one.model, "mini");
  EXPECT_TRUE(one.is_base64);
  EXPECT_FALSE(one.dimensions);
  const EmbeddingRequest two = parsed(R"({"input": ["a", "b"], "dimensions": 8, "encoding_format": "float",
      "user": "u", "saccade": {"plan": "keep=10,strategy=uniform", "max_latency_ms": 5}})");
  ASSERT_EQ(two.inputs.size(), 2U);
  EXPECT_EQ(text_of(two.inputs[1]), "b");
  EXPECT_EQ(two.inputs[1].param, "input[1]");
  EXPECT_EQ(two.dimensions, 8);
  EXPECT_FALSE(two.is_base64);
  EXPECT_NE(two.inputs[1].request.plan, Plan());
  EXPECT_FALSE(two.inputs[1].request.budget.is_limited());
}

TEST(EmbeddingRequest, ReadsPictures) {
  const EmbeddingRequest asked = parsed(R"({"input": [
      {"type": "message", "role": "user", "content": [
        {"type": "text", "text": "a cat"}, {"type": "image_url", "image_url": {"url": "data:;base64,Zm9v"}}]},
      {"content": [{"type": "image_url", "image_url": "http://a/b.png"}]}, "words", {"content": "more"}]})");
  ASSERT_EQ(asked.inputs.size(), 4U);
  EXPECT_EQ(asked.inputs[0].request.messages[0].content[1].bytes.size(), 3U);
  EXPECT_EQ(asked.inputs[0].request.messages[0].content[1].path, "input[0].content[1]");
  ASSERT_EQ(asked.inputs[1].media.size(), 1U);
  EXPECT_EQ(asked.inputs[1].media[0].url, "http://a/b.png");
  EXPECT_EQ(asked.inputs[1].media[0].message_idx, 0U);
  EXPECT_EQ(asked.inputs[1].media[0].param, "input[1].content[0].image_url");
  EXPECT_EQ(text_of(asked.inputs[3]), "more");
  EXPECT_EQ(parsed(R"({"input": {"content": "alone"}})").inputs.at(0).param, "input");
}

TEST(EmbeddingRequest, NamesTheFieldThatIsWrong) {
  const struct {
    std::string body;
    const char* param;
  } wrong[] = {
      {R"({})", "input"},
      {R"({"input": []})", "input"},
      {R"({"input": ""})", "input"},
      {R"({"input": null})", "input"},
      {R"({"input": true})", "input"},
      {R"({"input": 5})", "input"},
      {R"({"input": ["a", ""]})", "input[1]"},
      {R"({"input": [1, 2]})", "input[0]"},
      {R"({"input": [[1, 2]]})", "input[0]"},
      {R"({"input": [{"content": []}]})", "input[0].content"},
      {R"({"input": [{"type": "message"}]})", "input[0].content"},
      {R"({"input": [{"content": [{"type": "input_audio"}]}]})", "input[0].content[0].type"},
      {R"({"input": [{"content": [{"type": "image_url", "image_url": "data:;base64,%"}]}]})",
       "input[0].content[0].image_url"},
      {R"({"input": "a", "encoding_format": "int8"})", "encoding_format"},
      {R"({"input": "a", "dimensions": 0})", "dimensions"},
      {R"({"input": "a", "dimensions": "x"})", "dimensions"},
      {R"({"input": "a", "model": 1})", "model"},
      {R"({"input": "a", "saccade": {"plan": "keep=-1"}})", "saccade.plan"},
      {R"({"input": "\ud800"})", ""},
      {R"({"input": "a")", ""},
  };
  for (const auto& [body, param] : wrong) {
    EmbeddingRequest asked;
    const auto error = parse_embedding_request(http_of(body), asked);
    ASSERT_TRUE(error) << body;
    EXPECT_EQ(error->status, 400) << body;
    EXPECT_EQ(error->param, param) << error->message << " of " << body;
    EXPECT_NE(error->message, "") << body;
  }
  std::string many = R"({"input": ["a")";
  for (size_t i = 0; i < EmbeddingRequest::kMaxInputs; ++i) many += R"(,"a")";
  EmbeddingRequest asked;
  EXPECT_EQ(parse_embedding_request(http_of(many + "]}"), asked).value().param, "input");
}

}  // namespace
}  // namespace saccade
