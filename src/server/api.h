// The addresses that the server answers at.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "ledger/accounting.h"
#include "server/http.h"
#include "server/key_gate.h"
#include "server/media_loader.h"
#include "server/served_model.h"
#include "server/worker_threads.h"

namespace saccade {

/// One request, once it was answered.
struct RequestRecord {
  std::string id;
  std::string method;
  std::string path;
  std::string account = {};  // of its key
  int status = 0;
  double ms = 0;  // from its first byte to the answer's last
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  bool was_cancelled = false;  // the client went away, or the server ended
  std::string error = {};      // what it was told, or what nobody is told but the log
};

using RequestLog = std::function<void(const RequestRecord& record)>;

/// A request and its answer, on the way through the API. Logged when it goes away.
class ApiExchange {
 public:
  /// `cut`: all answers are to end.
  ApiExchange(HttpRequest asked, std::shared_ptr<HttpResponder> responder, const RequestLog& log,
              const std::stop_token& cut);
  ~ApiExchange();
  ApiExchange(const ApiExchange&) = delete;
  ApiExchange& operator=(const ApiExchange&) = delete;

  /// Lets the request in by its key: answers carry the key's limits, and their tokens count. Before anything else is
  /// asked; false: it was refused.
  bool enter(KeyGate& gate);
  /// Whose request it is, for the engine and the ledger.
  void sign(Request& asked) const;
  /// The key's own limits of money; none without a key.
  AccountLimits spending_limits() const { return ticket_ ? ticket_->key().spending : AccountLimits(); }

  void respond(HttpResponse response);
  void fail(const ApiError& error);
  void begin_stream(HttpResponse head);
  bool has_begun() const { return has_begun_; }
  bool write(std::string_view piece) { return responder_->write(piece); }
  void end_stream();
  /// Whether the answer is to be given up: the client is gone, or the server is about to.
  std::stop_token stop() const { return stop_.get_token(); }
  bool must_stop() const { return stop_.stop_requested(); }

  HttpRequest request;
  RequestRecord record;

 private:
  const std::shared_ptr<HttpResponder> responder_;
  const RequestLog& log_;
  std::stop_source stop_;
  const std::stop_callback<std::function<void()>> on_cut_;
  const std::stop_callback<std::function<void()>> on_gone_;
  std::unique_ptr<KeyGate::Ticket> ticket_;  // null: nobody is asked for a key
  bool has_begun_ = false;

  void count_tokens();
  void add_limits(HttpResponse& response) const;
};

/// What the addresses have in common. All must outlive the API.
struct ApiContext {
  ServedModel& model;
  const Accounting& accounting;
  MediaLoader& media;
  std::vector<std::string> served_names;  // of the model, the first is told; others are taken too
  std::string model_path;
  KeyGate* keys = nullptr;  // null: anybody may ask

  /// As the API tells which model and settings answered.
  std::string fingerprint() const;
  /// The model file's, by which a ledger and prices know it.
  std::string model_name() const;
};

/// The handlers that block, on a thread of their own. The model is ready.
void answer_chat(const ApiContext& api, ApiExchange& exchange);
void answer_embeddings(const ApiContext& api, ApiExchange& exchange);
void answer_plan(const ApiContext& api, ApiExchange& exchange);
void answer_tokenize(const ApiContext& api, ApiExchange& exchange);
void answer_feedback(const ApiContext& api, ApiExchange& exchange);

/// Of a chat request: whether the model is the one that is served.
std::optional<ApiError> check_model(const ApiContext& api, const std::string& name);

class Api : public HttpHandler {
 public:
  /// `log` may be empty; it is called on any thread.
  Api(ApiContext context, size_t max_in_flight, RequestLog log);

  std::optional<HttpResponse> check_head(const HttpRequest& head) override;
  void handle(HttpRequest request, std::shared_ptr<HttpResponder> responder) override;
  HttpResponse refusal(const HttpRequest& request, int status, std::string message) override;

  /// Has all answers end where they are.
  void cut_short() { cut_.request_stop(); }

 private:
  using Blocking = void (*)(const ApiContext& api, ApiExchange& exchange);
  struct Route;
  static const Route* find_route(std::string_view path);

  HttpResponse health() const;
  HttpResponse models() const;
  void log_refusal(const HttpRequest& request, const ApiError& error) const;

  const ApiContext context_;
  const RequestLog log_;
  std::stop_source cut_;
  WorkerThreads workers_;
};

}  // namespace saccade
