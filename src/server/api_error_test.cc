#include "server/api_error.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace saccade {
namespace {

TEST(ApiError, TellsWhatEnginesSay) {
  EXPECT_EQ(api_error(invalid_argument("x")).status, 400);
  EXPECT_EQ(api_error(corrupt_data("x")).status, 400);
  EXPECT_EQ(api_error(unsupported("x")).code, "unsupported");
  EXPECT_EQ(api_error(resource_exhausted("x")).status, 413);
  EXPECT_EQ(api_error(budget_exceeded("x")).status, 429);
  EXPECT_EQ(api_error(overloaded("x", 100)).status, 429);
  EXPECT_EQ(api_error(cancelled("x")).status, 503);
  EXPECT_EQ(api_error(io_error("x")).status, 500);
  EXPECT_EQ(api_error(internal_error("x")).status, 500);
}

TEST(ApiError, FindsTheFieldInTheMessage) {
  EXPECT_EQ(api_error(corrupt_data("messages[0].content[1]: no picture")).param, "messages[0].content[1]");
  EXPECT_EQ(api_error(invalid_argument("messages[2].role is wrong")).param, "messages[2].role");
  EXPECT_EQ(api_error(invalid_argument("messages[2].role is wrong"), "other").param, "other");
  EXPECT_EQ(api_error(invalid_argument("there is no message")).param, "");
}

TEST(ApiError, IsOneJsonObject) {
  EXPECT_EQ(error_json({.status = 404, .message = "no \"x\"\n", .param = "model", .code = "model_not_found"}),
            R"({"error":{"message":"no \"x\"\n","type":"not_found_error","param":"model","code":"model_not_found"}})");
  EXPECT_EQ(
      error_json({.status = 500, .message = "bad \xff byte"}),
      "{\"error\":{\"message\":\"bad \xef\xbf\xbd byte\",\"type\":\"server_error\",\"param\":null,\"code\":null}}");
}

TEST(ApiError, SaysWhenToAskAgain) {
  const auto field = [](const HttpResponse& response, const std::string& name) {
    const auto found = std::ranges::find(response.fields, name, &std::pair<std::string, std::string>::first);
    return found == response.fields.end() ? "" : found->second;
  };
  const HttpResponse busy = error_response(api_error(overloaded("x", 2400)));
  EXPECT_EQ(field(busy, "retry-after"), "3");
  EXPECT_EQ(field(busy, "x-should-retry"), "");
  EXPECT_EQ(field(error_response(api_error(overloaded("x", 0))), "retry-after"), "1");
  const HttpResponse strict = error_response(api_error(budget_exceeded("x")));
  EXPECT_EQ(strict.status, 429);
  EXPECT_EQ(field(strict, "retry-after"), "");
  EXPECT_EQ(field(strict, "x-should-retry"), "false");
}

}  // namespace
}  // namespace saccade
