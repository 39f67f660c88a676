#include "request/validate_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

namespace saccade {
namespace {

using testing::HasSubstr;

Request ask(const std::string& text) {
  Request request;
  ContentPart part;
  part.text = text;
  request.messages = {{"user", {part}}};
  return request;
}

TEST(ValidateRequest, TakesAPlainQuestion) {
  EXPECT_TRUE(validate_request(ask("What is it?")).is_ok());
}

TEST(ValidateRequest, NamesTheFieldThatIsWrong) {
  Request request = ask("x");
  request.messages[0].role = "robot";
  EXPECT_THAT(validate_request(request).message(), HasSubstr("messages[0].role is \"robot\""));
  request = ask("\xFF");
  EXPECT_THAT(validate_request(request).message(), HasSubstr("UTF-8"));
  request = ask("x");
  request.messages[0].role = "assistant";
  EXPECT_THAT(validate_request(request).message(), HasSubstr("must be the user's"));
  request = ask("x");
  request.sampling.temperature = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(validate_request(request).message(), HasSubstr("temperature"));
  request = ask("x");
  request.sampling.top_p = 1.5f;
  EXPECT_THAT(validate_request(request).message(), HasSubstr("top_p is 1.5"));
  request = ask("x");
  request.logprobs = 21;
  EXPECT_THAT(validate_request(request).message(), HasSubstr("logprobs"));
  request.logprobs = 20;
  request.max_tokens = 0;
  EXPECT_THAT(validate_request(request).message(), HasSubstr("max_tokens"));
  request = ask("x");
  request.format.kind = ResponseFormat::Kind::kJsonSchema;
  EXPECT_THAT(validate_request(request).message(), HasSubstr("there is no schema"));
  request.format.schema = "\"\xFF\"";
  EXPECT_THAT(validate_request(request).message(), HasSubstr("UTF-8"));
  request.format = {ResponseFormat::Kind::kJsonObject, "{}"};
  EXPECT_THAT(validate_request(request).message(), HasSubstr("not json_schema"));
  request.format = {ResponseFormat::Kind::kJsonSchema, "{}"};
  EXPECT_TRUE(validate_request(request).is_ok());
  request = ask("x");
  request.stop = {""};
  EXPECT_THAT(validate_request(request).message(), HasSubstr("stop string"));
  EXPECT_THAT(validate_request({}).message(), HasSubstr("no message"));
}

TEST(ValidateRequest, OnlyUsersSendPictures) {
  Request request = ask("x");
  ContentPart picture;
  picture.kind = ContentPart::Kind::kImage;
  request.messages.insert(request.messages.begin(), {"system", {picture}});
  EXPECT_THAT(validate_request(request).message(), HasSubstr("only user messages"));
}

TEST(MediaBytes, ReadsFilesAndBytesWithinTheLimit) {
  const std::string path = testing::TempDir() + "media_bytes_test";
  std::ofstream(path) << "12345";
  ContentPart part;
  part.kind = ContentPart::Kind::kImage;
  part.path = path;
  auto media = MediaBytes::open(part, 5);
  ASSERT_TRUE(media.is_ok());
  const MediaBytes moved = *std::move(media);
  EXPECT_EQ(moved.bytes().size(), 5u);
  EXPECT_EQ(moved.name(), path);
  EXPECT_EQ(MediaBytes::open(part, 4).status().code(), StatusCode::kResourceExhausted);
  std::ofstream(path, std::ios::trunc).flush();
  EXPECT_EQ(MediaBytes::open(part, 4).status().code(), StatusCode::kCorruptData);
  std::filesystem::remove(path);
  EXPECT_EQ(MediaBytes::open(part, 4).status().code(), StatusCode::kNotFound);
  part.bytes = {std::byte{1}, std::byte{2}};
  EXPECT_EQ(MediaBytes::open(part, 4)->bytes().size(), 2u);
}

}  // namespace
}  // namespace saccade
