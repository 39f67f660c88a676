// Errors as OpenAI's API tells them.
#pragma once

#include <optional>
#include <string>

#include "saccade/status.h"
#include "server/http.h"

namespace saccade {

struct ApiError {
  int status = 400;
  std::string message;
  std::string param = {};  // the field that is wrong: "messages[1].content[0].image_url.url"; empty: none
  std::string code = {};   // for programs: "unsupported", "unknown_model"
  std::optional<double> retry_after_ms = {};
  bool may_be_retried = true;  // false: the same request will fail the same way, whatever the status suggests
};

/// What an engine or a ledger said, as the client is to be told. `param` as above; where it is empty, the
/// one that the message begins with.
ApiError api_error(const Status& status, std::string param = {});

/// {"error": {"message", "type", "param", "code"}}, on one line.
std::string error_json(const ApiError& error);

HttpResponse error_response(const ApiError& error);

}  // namespace saccade
