// What is to be embedded, as it was asked for: the JSON of OpenAI's API as an engine's requests.
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

/// One text, or one message of texts and pictures.
struct EmbeddingInput {
  Request request;
  std::vector<MediaReference> media;
  std::string param;  // its field: "input[2]"
};

struct EmbeddingRequest {
  static constexpr size_t kMaxInputs = 2048;

  std::vector<EmbeddingInput> inputs;
  std::string model;  // empty: none was named
  bool is_base64 = false;
  std::optional<int64_t> dimensions;  // that the client expects
};

/// Reads the body of a request to /v1/embeddings: `input` is a string, an object with the `content` of a chat's
/// message, or a list of these. Fields that are not known are ignored. The requests have no id yet. Returns what is
/// wrong first, with the field's path.
std::optional<ApiError> parse_embedding_request(const HttpRequest& http, EmbeddingRequest& asked);

}  // namespace saccade
