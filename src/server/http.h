// Requests and answers of HTTP as the API sees them: without sockets, so that it can be tried without any.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/body_buffer.h"

namespace saccade {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string id;      // drawn by the server; the answer's x-request-id
  std::string method;  // "GET", "POST"
  std::string path;    // of the target, without its query
  HttpFields fields;   // names in lower case
  BodyBuffer body;
  double arrived_ms = 0;  // when its first byte did, by now_ms()

  /// The first of that name (in lower case); absent where there is none.
  std::optional<std::string_view> field(std::string_view name) const;
};

/// Length, id and connection handling are added when it is sent.
struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  HttpFields fields = {};
  std::string body = {};
};

/// The answer to one request, to be given once: whole, or as a stream. Thread safety: any thread; nothing blocks.
class HttpResponder {
 public:
  virtual ~HttpResponder() = default;

  virtual void respond(HttpResponse response) = 0;

  /// The body follows piece by piece; `head.body` is not looked at.
  virtual void begin_stream(HttpResponse head) = 0;
  /// False where nobody takes it any more: the client is gone, or so far behind that it was dropped.
  virtual bool write(std::string_view piece) = 0;
  virtual void end_stream() = 0;

  /// Asked for once the client closed the connection, or was dropped.
  virtual std::stop_token gone() const = 0;
  bool is_gone() const { return gone().stop_requested(); }
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  /// Before the body is read: an answer refuses the request. On a thread that must not be blocked.
  virtual std::optional<HttpResponse> check_head(const HttpRequest& head) = 0;
  /// On a thread that must not be blocked.
  virtual void handle(HttpRequest request, std::shared_ptr<HttpResponder> responder) = 0;
  /// The answer to what is no proper request, such as 400, 408, 413, 431, or cannot be taken now: 503. Of `request` is
  /// known what was read of it.
  virtual HttpResponse refusal(const HttpRequest& request, int status, std::string message) = 0;
};

}  // namespace saccade
