#include "server/api_error.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

struct StatusFacts {
  int http_status;
  const char* code;
};

StatusFacts facts_of(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
      return {400, "invalid_value"};
    case StatusCode::kNotFound:
      return {400, "not_found"};  // something that the request names; 404 is for addresses of this server
    case StatusCode::kCorruptData:
      return {400, "corrupt_data"};
    case StatusCode::kUnsupported:
      return {400, "unsupported"};
    case StatusCode::kResourceExhausted:
      return {413, "too_large"};
    case StatusCode::kBudgetExceeded:
      return {429, "budget_exceeded"};
    case StatusCode::kOverloaded:
      return {429, "overloaded"};
    case StatusCode::kCancelled:
      return {503, "cancelled"};
    case StatusCode::kOk:
    case StatusCode::kIoError:
    case StatusCode::kInternal:
      break;
  }
  return {500, "internal_error"};
}

const char* type_of(int http_status) {
  switch (http_status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "service_unavailable_error";
    case 504:
      return "timeout_error";
    default:
      return http_status < 500 ? "invalid_request_error" : "server_error";
  }
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

// Messages about a part of the request begin with its path: "messages[0].content[1]: ...", "messages[1].role is ...",
// "input.content[0]: ...".
std::string param_in(const std::string& message) {
  for (const char* begin : {"messages[", "input[", "input."}) {
    if (message.starts_with(begin)) return message.substr(0, message.find_first_of(": "));
  }
  return "";
}

}  // namespace

ApiError api_error(const Status& status, std::string param) {
  const StatusFacts facts = facts_of(status.code());
  if (param.empty()) param = param_in(status.message());
  return {.status = facts.http_status,
          .message = status.message(),
          .param = std::move(param),
          .code = facts.code,
          .retry_after_ms = status.retry_after_ms(),
          .may_be_retried = status.code() != StatusCode::kBudgetExceeded};
}

std::string error_json(const ApiError& error) {
  const Json json = {{"error",
                      {{"message", error.message},
                       {"type", type_of(error.status)},
                       {"param", text_or_null(error.param)},
                       {"code", text_or_null(error.code)}}}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

HttpResponse error_response(const ApiError& error) {
  HttpResponse response;
  response.status = error.status;
  response.body = error_json(error);
  if (error.retry_after_ms) {
    const double seconds = std::ceil(std::max(0.0, *error.retry_after_ms) / 1000);
    response.fields.emplace_back("retry-after", std::to_string(std::max(1L, std::lround(seconds))));
  }
  if (!error.may_be_retried) response.fields.emplace_back("x-should-retry", "false");
  return response;
}

}  // namespace saccade
