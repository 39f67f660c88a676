#include "server/chat_answer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "response/receipt_json.h"

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json usage_json(const ChatUsage& usage) {
  const int64_t prompt_tokens = usage.text_tokens + usage.image_tokens;
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details",
           {{"cached_tokens", usage.cached_tokens},
            {"image_tokens", usage.image_tokens},
            {"audio_tokens", 0},
            {"video_tokens", 0},
            {"text_tokens", usage.text_tokens}}}};
}

// Text has U+FFFD where a token's bytes are no whole characters: clients put these together from "bytes".
Json token_json(const TokenLogprob& token) {
  constexpr double kLeast = -9999;  // what OpenAI tells of the impossible; JSON has no infinity
  Json bytes = Json::array();
  for (const char byte : token.bytes) bytes.push_back(static_cast<unsigned char>(byte));
  return {{"token", token.bytes}, {"logprob", std::max(token.logprob, kLeast)}, {"bytes", std::move(bytes)}};
}

Json logprobs_json(std::span<const TokenLogprobs> logprobs) {
  Json content = Json::array();
  for (const TokenLogprobs& told : logprobs) {
    Json token = token_json(told.token);
    Json& likeliest = token["top_logprobs"] = Json::array();
    for (const TokenLogprob& one : told.likeliest) likeliest.push_back(token_json(one));
    content.push_back(std::move(token));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

}  // namespace

// The prompt is the same for all choices; what was cached is told of the first, which others may take over from.
void ChatUsage::add(const Receipt& receipt) {
  if (completion_tokens == 0) {
    text_tokens = receipt.tokens.text;
    image_tokens = receipt.tokens.visual;
    cached_tokens = receipt.tokens.cached;
  }
  completion_tokens += receipt.tokens.generated;
}

std::string chat_completion_json(const ChatAnswerHead& head, const std::vector<Answer>& answers, bool has_logprobs) {
  ChatUsage usage;
  Json choices = Json::array();
  for (const Answer& answer : answers) {
    usage.add(answer.receipt);
    choices.push_back({{"index", choices.size()},
                       {"message", {{"role", "assistant"}, {"content", answer.text}, {"refusal", nullptr}}},
                       {"logprobs", has_logprobs ? logprobs_json(answer.logprobs) : Json()},
                       {"finish_reason", answer.receipt.finish_reason}});
    if (answers.size() > 1) choices.back()["saccade"] = receipt_json(answer.receipt);
  }
  Json json = {{"id", head.id},
               {"object", "chat.completion"},
               {"created", head.created_s},
               {"model", head.model},
               {"system_fingerprint", head.fingerprint},
               {"choices", std::move(choices)},
               {"usage", usage_json(usage)}};
  if (answers.size() == 1) json["saccade"] = receipt_json(answers.front().receipt);
  return text_of(json);
}

Json ChatChunks::frame() const {
  return {{"id", head_.id},
          {"object", "chat.completion.chunk"},
          {"created", head_.created_s},
          {"model", head_.model},
          {"system_fingerprint", head_.fingerprint}};
}

Json ChatChunks::chunk(int choice, Json delta, std::optional<std::string> finish_reason,
                       std::span<const TokenLogprobs> logprobs) const {
  Json json = frame();
  json["choices"] = Json::array({{{"index", choice},
                                  {"delta", std::move(delta)},
                                  {"logprobs", logprobs.empty() ? Json() : logprobs_json(logprobs)},
                                  {"finish_reason", finish_reason ? Json(*finish_reason) : Json()}}});
  if (has_usage_) json["usage"] = nullptr;
  return json;
}

std::string ChatChunks::role(int choice) const {
  return sse_event(text_of(chunk(choice, {{"role", "assistant"}, {"content", ""}}, std::nullopt, {})));
}

std::string ChatChunks::text(int choice, std::string_view piece, std::span<const TokenLogprobs> logprobs) const {
  return sse_event(text_of(chunk(choice, {{"content", piece}}, std::nullopt, logprobs)));
}

std::string ChatChunks::end(int choice, const Receipt& receipt, std::span<const TokenLogprobs> logprobs) const {
  Json json = chunk(choice, Json::object(), receipt.finish_reason, logprobs);
  json["saccade"] = receipt_json(receipt);
  return sse_event(text_of(json));
}

std::string ChatChunks::usage(const ChatUsage& usage) const {
  Json json = frame();
  json["choices"] = Json::array();
  json["usage"] = usage_json(usage);
  return sse_event(text_of(json));
}

std::string sse_event(std::string_view json) {
  return "data: " + std::string(json) + "\n\n";
}

std::string sse_done() {
  return sse_event("[DONE]");
}

}  // namespace saccade
