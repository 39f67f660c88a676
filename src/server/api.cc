#include "server/api.h"

#include <algorithm>
#include <cctype>
#include <exception>
#include <filesystem>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/format.h"
#include "platform/clock.h"
#include "server/api_error.h"

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kClientGone = 499;        // in the log; nobody is there to be told
constexpr double kRetryAfterMs = 1000;  // where nothing better is known

// "application/json", "application/json; charset=utf-8". Without a type, or of another, a request could come from any
// web page that a browser on this machine shows; for this one it has to ask first.
bool is_json_type(const HttpRequest& request) {
  const auto type = request.field("content-type");
  if (!type) return false;
  std::string name(type->substr(0, type->find(';')));
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  while (name.ends_with(' ')) name.pop_back();
  return name == "application/json";
}

}  // namespace

ApiExchange::ApiExchange(HttpRequest asked, std::shared_ptr<HttpResponder> responder, const RequestLog& log,
                         const std::stop_token& cut)
    : request(std::move(asked)),
      responder_(std::move(responder)),
      log_(log),
      on_cut_(cut, [this] { stop_.request_stop(); }),
      on_gone_(responder_->gone(), [this] { stop_.request_stop(); }) {
  record.id = request.id;
  record.method = request.method;
  record.path = request.path;
}

ApiExchange::~ApiExchange() {
  count_tokens();
  record.ms = now_ms() - request.arrived_ms;
  if (log_) log_(record);
}

bool ApiExchange::enter(KeyGate& gate) {
  auto entered = gate.enter(request);
  if (const auto* refusal = std::get_if<KeyGate::Refusal>(&entered)) {
    record.error = refusal->error.message;
    respond(refusal->response());
    return false;
  }
  ticket_ = std::get<0>(std::move(entered));
  record.account = ticket_->key().name;
  return true;
}

void ApiExchange::sign(Request& asked) const {
  asked.id = request.id;
  if (!ticket_) return;
  asked.account = ticket_->key().name;
  asked.priority = ticket_->key().priority;
}

void ApiExchange::count_tokens() {
  if (ticket_) ticket_->set_used_tokens(record.prompt_tokens + record.completion_tokens);
}

void ApiExchange::add_limits(HttpResponse& response) const {
  if (!ticket_) return;
  for (auto& field : ticket_->limits().fields()) response.fields.push_back(std::move(field));
}

void ApiExchange::respond(HttpResponse response) {
  count_tokens();
  add_limits(response);
  record.status = responder_->is_gone() ? kClientGone : response.status;
  responder_->respond(std::move(response));
}

void ApiExchange::fail(const ApiError& error) {
  record.error = error.message;
  respond(error_response(error));
}

void ApiExchange::begin_stream(HttpResponse head) {
  has_begun_ = true;
  record.status = head.status;
  add_limits(head);
  responder_->begin_stream(std::move(head));
}

void ApiExchange::end_stream() {
  if (responder_->is_gone()) record.status = kClientGone;
  responder_->end_stream();
}

std::string ApiContext::fingerprint() const {
  const ModelInfo& info = model.info();
  const std::string what = std::filesystem::path(info.model_path).filename().string() + " " + info.family + " " +
                           info.isa + " " + std::to_string(info.context_length);
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const unsigned char c : what) hash = (hash ^ c) * 1099511628211u;
  return format("fp_%012llx", static_cast<unsigned long long>(hash >> 16));
}

std::string ApiContext::model_name() const {
  return std::filesystem::path(model_path).filename().string();
}

std::optional<ApiError> check_model(const ApiContext& api, const std::string& name) {
  if (name.empty() || std::ranges::find(api.served_names, name) != api.served_names.end()) return std::nullopt;
  return ApiError{
      .status = 404,
      .message = "the model " + quote(name) + " is not served here; " + quote(api.served_names.front()) + " is",
      .param = "model",
      .code = "model_not_found"};
}

struct Api::Route {
  const char* path;
  const char* method;
  Blocking answer;   // null: at once
  bool needs_model;  // loaded
  bool needs_key;    // where there are keys
};

const Api::Route* Api::find_route(std::string_view path) {
  static constexpr Route kRoutes[] = {
      {"/v1/chat/completions", "POST", answer_chat, true, true},
      {"/v1/embeddings", "POST", answer_embeddings, true, true},
      {"/v1/plan", "POST", answer_plan, true, true},
      {"/v1/feedback", "POST", answer_feedback, false, true},
      {"/tokenize", "POST", answer_tokenize, true, true},
      {"/v1/models", "GET", nullptr, false, true},
      {"/health", "GET", nullptr, false, false},
      {"/ready", "GET", nullptr, false, false},
  };
  const auto* route = std::ranges::find(kRoutes, path, &Route::path);
  return route == std::end(kRoutes) ? nullptr : route;
}

Api::Api(ApiContext context, size_t max_in_flight, RequestLog log)
    : context_(std::move(context)), log_(std::move(log)), workers_(max_in_flight) {}

void Api::log_refusal(const HttpRequest& request, const ApiError& error) const {
  if (!log_) return;
  RequestRecord record = {.id = request.id, .method = request.method, .path = request.path, .status = error.status};
  record.ms = now_ms() - request.arrived_ms;
  record.error = error.message;
  log_(record);
}

HttpResponse Api::refusal(const HttpRequest& request, int status, std::string message) {
  const ApiError error = {.status = status,
                          .message = std::move(message),
                          .code = status == 413 ? "too_large" : "",
                          .retry_after_ms = status == 503 ? std::optional(kRetryAfterMs) : std::nullopt};
  log_refusal(request, error);
  return error_response(error);
}

std::optional<HttpResponse> Api::check_head(const HttpRequest& head) {
  const auto refuse = [&](const ApiError& error) {
    log_refusal(head, error);
    return error_response(error);
  };
  const Route* route = find_route(head.path);
  if (context_.keys != nullptr && (route == nullptr || route->needs_key)) {  // strangers are told nothing else
    const bool counts = route != nullptr && route->answer != nullptr;
    if (const auto refusal = context_.keys->check(head, counts)) {
      log_refusal(head, refusal->error);
      return refusal->response();
    }
  }
  if (route == nullptr) {
    return refuse({.status = 404,
                   .message = "there is nothing at " + quote(head.path) + "; chats are at /v1/chat/completions",
                   .code = "unknown_url"});
  }
  const bool is_right_method = head.method == route->method || (head.method == "HEAD" && route->answer == nullptr);
  if (!is_right_method) {
    HttpResponse response =
        refuse({.status = 405,
                .message = std::string(route->path) + " is asked by " + route->method + ", not " + quote(head.method),
                .code = "method_not_allowed"});
    response.fields.emplace_back("allow", route->method);
    return response;
  }
  if (route->answer != nullptr && !is_json_type(head)) {
    return refuse({.status = 415,
                   .message = "the request's content type is " + quote(head.field("content-type").value_or("")) +
                              "; it must be application/json",
                   .code = "unsupported_media_type"});
  }
  return std::nullopt;
}

HttpResponse Api::health() const {
  switch (context_.model.state()) {
    case ServedModel::State::kReady:
      return {.body = R"({"status":"ok"})"};
    case ServedModel::State::kFailed:
      return error_response({.status = 503, .message = "the model can't be loaded", .code = "model_failed"});
    case ServedModel::State::kLoading:
      break;
  }
  return error_response({.status = 503,
                         .message = format("the model is being loaded: %.0f %%", 100 * context_.model.progress()),
                         .code = "model_loading",
                         .retry_after_ms = kRetryAfterMs});
}

HttpResponse Api::models() const {
  Json list = Json::array();
  const bool is_ready = context_.model.state() == ServedModel::State::kReady;
  for (const std::string& name : context_.served_names) {
    Json model = {{"id", name}, {"object", "model"}, {"created", 0}, {"owned_by", "saccade"}};
    if (is_ready) {
      model["max_model_len"] = context_.model.info().context_length;
      model["takes_pictures"] = context_.model.info().takes_pictures;
      model["is_calibrated"] = context_.model.info().is_calibrated;
    }
    list.push_back(std::move(model));
  }
  const Json json = {{"object", "list"}, {"data", std::move(list)}};
  return {.body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

void Api::handle(HttpRequest request, std::shared_ptr<HttpResponder> responder) {
  const Route& route = *find_route(request.path);  // check_head() has seen it
  auto exchange = std::make_shared<ApiExchange>(std::move(request), std::move(responder), log_, cut_.get_token());
  if (route.needs_model && context_.model.state() != ServedModel::State::kReady) {
    exchange->record.error = "the model is not loaded";
    return exchange->respond(health());
  }
  if (route.answer == nullptr) {
    return exchange->respond(exchange->request.path == "/v1/models" ? models() : health());
  }
  if (context_.keys != nullptr && !exchange->enter(*context_.keys)) return;
  const auto answer = [this, exchange, &route] {
    const auto fail = [&](const Status& status) {
      if (!exchange->has_begun()) exchange->fail(api_error(status));
    };
    try {
      route.answer(context_, *exchange);
    } catch (const std::bad_alloc&) {
      fail(resource_exhausted("there is not enough memory for the request"));
    } catch (const std::exception& error) {
      fail(internal_error(std::string("an unexpected failure: ") + error.what()));
    }
  };
  if (workers_.run(answer)) return;
  exchange->fail(api_error(overloaded("the server has as many requests in flight as it takes", kRetryAfterMs)));
}

}  // namespace saccade
