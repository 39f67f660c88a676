// A chat completion as it was asked for: the JSON of OpenAI's API as an engine's request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "saccade/request.h"
#include "server/api_error.h"
#include "server/http.h"
#include "server/media_reference.h"

namespace saccade {

struct ChatRequest {
  Request request;
  std::vector<MediaReference> media;
  std::string model;  // empty: none was named
  int num_choices = 1;
  bool is_streamed = false;
  bool wants_usage = false;  // a stream ends with a chunk of it
};

/// Reads the body of a request to /v1/chat/completions in place: of base64 nothing is copied but what it decodes to,
/// into ContentPart::bytes. Fields that are not known are ignored; null is as if it was not there. The request has no
/// id yet. Returns what is wrong first, with the field's path.
std::optional<ApiError> parse_chat_request(const HttpRequest& http, ChatRequest& chat);

/// What /tokenize counts: messages as above, or a text alone.
struct TokenizeRequest {
  std::optional<std::string> text;  // absent: `chat` has messages
  ChatRequest chat;
};
std::optional<ApiError> parse_tokenize_request(const HttpRequest& http, TokenizeRequest& asked);

struct FeedbackRequest {
  std::string request_id;
  double score = 0;  // 0..1
};
std::optional<ApiError> parse_feedback_request(const HttpRequest& http, FeedbackRequest& feedback);

}  // namespace saccade
