// The smaller addresses: what a request would cost, by which plan it would be answered, whether an answer was right.
#include <nlohmann/json.hpp>
#include <utility>

#include "response/budget_text.h"
#include "server/api.h"
#include "server/api_error.h"
#include "server/chat_request.h"

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

HttpResponse json_response(const Json& json) {
  return {.body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

// What a chat request needs before the engine may be asked about it.
std::optional<ApiError> prepare(const ApiContext& api, ApiExchange& exchange, ChatRequest& chat) {
  exchange.request.body.clear();
  if (auto error = check_model(api, chat.model)) return error;
  exchange.sign(chat.request);
  return api.media.load(chat.request, chat.media, [&] { return exchange.must_stop(); });
}

}  // namespace

void answer_plan(const ApiContext& api, ApiExchange& exchange) {
  ChatRequest chat;
  if (const auto error = parse_chat_request(exchange.request, chat)) return exchange.fail(*error);
  if (const auto error = prepare(api, exchange, chat)) return exchange.fail(*error);
  const auto explanation = api.model.explain(chat.request, exchange.request.arrived_ms);
  if (!explanation) return exchange.fail(api_error(explanation.status()));
  exchange.respond(json_response(explanation_json(*explanation)));
}

void answer_tokenize(const ApiContext& api, ApiExchange& exchange) {
  TokenizeRequest asked;
  if (const auto error = parse_tokenize_request(exchange.request, asked)) return exchange.fail(*error);
  if (const auto error = prepare(api, exchange, asked.chat)) return exchange.fail(*error);
  TokenCounts counts;
  if (asked.text) {
    counts.text = api.model.count_tokens(*asked.text);
  } else {
    const auto counted = api.model.count_tokens(asked.chat.request);
    if (!counted) return exchange.fail(api_error(counted.status()));
    counts = *counted;
  }
  exchange.respond(json_response({{"count", counts.text + counts.visual},
                                  {"text_tokens", counts.text},
                                  {"image_tokens", counts.visual},
                                  {"max_model_len", api.model.info().context_length}}));
}

void answer_feedback(const ApiContext& api, ApiExchange& exchange) {
  FeedbackRequest feedback;
  if (const auto error = parse_feedback_request(exchange.request, feedback)) return exchange.fail(*error);
  if (!api.accounting.has_ledger()) {
    return exchange.fail(api_error(unsupported("feedback is kept in a ledger, and this server has none (--ledger)")));
  }
  const Status added = api.accounting.add_feedback(feedback.request_id, feedback.score, exchange.record.account);
  if (added.code() == StatusCode::kNotFound) {
    return exchange.fail({.status = 404, .message = added.message(), .param = "request_id", .code = "not_found"});
  }
  if (!added.is_ok()) return exchange.fail(api_error(added));
  exchange.respond(json_response({{"request_id", feedback.request_id}, {"score", feedback.score}}));
}

}  // namespace saccade
