#include "server/chat_request.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "base/format.h"
#include "request/plan_text.h"
#include "request/validate_request.h"
#include "server/content_parser.h"
#include "server/json_reader.h"

namespace saccade {
namespace {

constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();
constexpr double kMaxLimit = 1e15;
constexpr int64_t kMaxChoices = 16;

class ChatParser {
 public:
  explicit ChatParser(ChatRequest& chat) : chat_(chat), request_(chat.request) {}

  JsonReader& reader() { return reader_; }
  bool has_messages() const { return has_messages_; }

  bool read_field(const std::string& name, JsonValue value);
  /// What several fields say together, once all are read.
  bool finish();

 private:
  bool read_messages(JsonValue value);
  bool read_message(JsonValue value, const std::string& param);
  bool read_sampling(const std::string& name, JsonValue value, bool& is_known);
  bool read_stop(JsonValue value);
  bool read_format(JsonValue value);
  bool read_budget(JsonValue value);

  ChatRequest& chat_;
  Request& request_;
  JsonReader reader_;
  bool has_messages_ = false;
  bool wants_logprobs_ = false;
  std::optional<int64_t> top_logprobs_;
};

bool ChatParser::read_field(const std::string& name, JsonValue value) {
  bool is_known = false;
  if (!read_sampling(name, value, is_known)) return false;
  if (is_known) return true;
  if (name == "messages") return read_messages(value);
  if (name == "model") return reader_.string(value, name, chat_.model);
  if (name == "stream") return reader_.boolean(value, name, chat_.is_streamed);
  if (name == "stream_options") {
    return reader_.object(value, name, [&](const std::string& option, JsonValue setting) {
      return option != "include_usage" || reader_.boolean(setting, name + ".include_usage", chat_.wants_usage);
    });
  }
  if (name == "n") {
    int64_t num_choices = 1;
    if (!reader_.integer(value, name, 1, kMaxChoices, num_choices)) return false;
    chat_.num_choices = static_cast<int>(num_choices);
    return true;
  }
  if (name == "stop") return read_stop(value);
  if (name == "saccade") return read_budget(value);
  if (name == "response_format") return read_format(value);
  if (name == "logprobs") return reader_.boolean(value, name, wants_logprobs_);
  if (name == "top_logprobs") {
    return reader_.integer(value, name, 0, Request::kMaxLogprobs, top_logprobs_.emplace());
  }
  if (name == "tools" || name == "functions") {
    bool is_empty = true;
    if (!reader_.elements(value, name, [&](JsonValue, const std::string&) { return !(is_empty = false); })) {
      return false;
    }
    return is_empty || reader_.unsupported(name, "tools can't be called here; leave it out");
  }
  return true;
}

bool ChatParser::finish() {
  if (wants_logprobs_) {
    request_.logprobs = static_cast<int>(top_logprobs_.value_or(0));
  } else if (top_logprobs_) {
    return reader_.fail("top_logprobs", "top_logprobs is told beside each token's own: it needs \"logprobs\": true");
  }
  return true;
}

bool ChatParser::read_sampling(const std::string& name, JsonValue value, bool& is_known) {
  Sampling& sampling = request_.sampling;
  is_known = true;
  const auto real = [&](double min, double max, float& target) {
    double number = 0;
    if (!reader_.number(value, name, min, max, number)) return false;
    target = static_cast<float>(number);
    return true;
  };
  if (name == "max_tokens" || name == "max_completion_tokens") {
    return reader_.integer(value, name, 1, kMaxInt64, request_.max_tokens);
  }
  if (name == "temperature") return real(0, 100, sampling.temperature);
  if (name == "top_p") return real(0, 1, sampling.top_p);
  if (name == "min_p") return real(0, 1, sampling.min_p);
  if (name == "repetition_penalty") return real(0.01, 100, sampling.repetition_penalty);
  if (name == "top_k") {
    int64_t top_k = 0;
    if (!reader_.integer(value, name, -1, std::numeric_limits<int>::max(), top_k)) return false;
    sampling.top_k = static_cast<int>(std::max<int64_t>(0, top_k));  // -1: all, to vLLM
    return true;
  }
  if (name == "seed") {
    int64_t seed = 0;
    if (!reader_.integer(value, name, std::numeric_limits<int64_t>::min(), kMaxInt64, seed)) return false;
    sampling.seed = static_cast<uint64_t>(seed);
    return true;
  }
  is_known = false;
  return true;
}

bool ChatParser::read_stop(JsonValue value) {
  constexpr size_t kMaxStops = 16;
  request_.stop.clear();
  simdjson::ondemand::json_type type = {};
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type == simdjson::ondemand::json_type::string) return reader_.string(value, "stop", request_.stop.emplace_back());
  return reader_.elements(value, "stop", [&](JsonValue item, const std::string& param) {
    if (request_.stop.size() == kMaxStops) {
      return reader_.fail("stop", format("stop has more than %zu strings", kMaxStops));
    }
    return reader_.string(item, param, request_.stop.emplace_back());
  });
}

bool ChatParser::read_format(JsonValue value) {
  const std::string param = "response_format";
  std::string type = "text";
  const auto read = [&](const std::string& name, JsonValue field) {
    return name != "type" || reader_.string(field, param + ".type", type);
  };
  if (!reader_.object(value, param, read)) return false;
  return type == "text" || reader_.unsupported(param, "answers are text here; only {\"type\": \"text\"} may be asked");
}

bool ChatParser::read_budget(JsonValue value) {
  Budget& budget = request_.budget;
  return reader_.object(value, "saccade", [&](const std::string& name, JsonValue field) {
    const std::string param = "saccade." + name;
    constexpr double kLeast = std::numeric_limits<double>::denorm_min();
    if (name == "max_latency_ms")
      return reader_.number(field, param, kLeast, kMaxLimit, budget.max_latency_ms.emplace());
    if (name == "max_ttft_ms") return reader_.number(field, param, kLeast, kMaxLimit, budget.max_ttft_ms.emplace());
    if (name == "max_cost_usd") return reader_.number(field, param, kLeast, kMaxLimit, budget.max_cost_usd.emplace());
    if (name == "min_quality") return reader_.number(field, param, 0, 1, budget.min_quality.emplace());
    if (name == "mode") {
      std::string mode;
      if (!reader_.string(field, param, mode)) return false;
      if (mode != "strict" && mode != "best_effort") {
        return reader_.fail(param, param + " is " + quote(mode) + "; it must be strict or best_effort");
      }
      budget.mode = mode == "strict" ? BudgetMode::kStrict : BudgetMode::kBestEffort;
    }
    if (name == "plan") {
      std::string text;
      if (!reader_.string(field, param, text)) return false;
      auto plan = parse_plan(text);
      if (!plan) return reader_.fail(param, param + ": " + plan.status().message());
      request_.plan = *std::move(plan);
    }
    return true;
  });
}

bool ChatParser::read_messages(JsonValue value) {
  has_messages_ = true;
  request_.messages.clear();
  chat_.media.clear();
  return reader_.elements(value, "messages",
                          [&](JsonValue item, const std::string& param) { return read_message(item, param); });
}

bool ChatParser::read_message(JsonValue value, const std::string& param) {
  Message& message = request_.messages.emplace_back();
  const auto read = [&](const std::string& name, JsonValue field) {
    if (name == "role") return reader_.string(field, param + ".role", message.role);
    if (name == "content") {
      return ContentParser(reader_, chat_.media).read(field, param + ".content", request_.messages.size() - 1, message);
    }
    if (name == "tool_calls") return reader_.unsupported(param + "." + name, "tools can't be called here");
    return true;
  };
  if (!reader_.object(value, param, read)) return false;
  if (message.role.empty()) return reader_.fail(param + ".role", param + ".role is missing", "missing");
  if (message.role == "developer") message.role = "system";  // what OpenAI calls it of late
  if (message.role != "system" && message.role != "user" && message.role != "assistant") {
    return reader_.fail(param + ".role", param + ".role is " + quote(message.role) +
                                             "; it must be system, developer, user or assistant");
  }
  if (message.content.empty()) {
    return reader_.fail(param + ".content", param + ".content is missing or empty", "missing");
  }
  return true;
}

// Limits by header field, where the body does not say otherwise.
std::optional<ApiError> read_budget_fields(const HttpRequest& http, Budget& budget) {
  struct Limit {
    const char* name;
    std::optional<double>& target;
    double max;
  };
  const Limit limits[] = {{"x-saccade-max-latency-ms", budget.max_latency_ms, kMaxLimit},
                          {"x-saccade-max-ttft-ms", budget.max_ttft_ms, kMaxLimit},
                          {"x-llm-d-slo-ttft-ms", budget.max_ttft_ms, kMaxLimit},
                          {"x-saccade-max-cost-usd", budget.max_cost_usd, kMaxLimit},
                          {"x-saccade-min-quality", budget.min_quality, 1}};
  for (const auto& [name, target, max] : limits) {
    const auto text = http.field(name);
    if (!text || target) continue;
    double number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error != std::errc() || end != text->data() + text->size() || !(number >= 0 && number <= max)) {
      return ApiError{.message = std::string("the header field ") + name + " is " + quote(*text) +
                                 "; it must be a number from 0 to " + format("%g", max),
                      .param = name,
                      .code = "invalid_value"};
    }
    target = number;
  }
  return std::nullopt;
}

std::optional<ApiError> read_mode_field(const HttpRequest& http, Budget& budget) {
  const auto mode = http.field("x-saccade-mode");
  if (!mode) return std::nullopt;
  if (*mode != "strict" && *mode != "best_effort") {
    return ApiError{
        .message = "the header field x-saccade-mode is " + quote(*mode) + "; it must be strict or best_effort",
        .param = "x-saccade-mode",
        .code = "invalid_value"};
  }
  budget.mode = *mode == "strict" ? BudgetMode::kStrict : BudgetMode::kBestEffort;
  return std::nullopt;
}

// What is left to be said of the whole, once all fields are read.
std::optional<ApiError> check_whole(ChatParser& parser, const ChatRequest& chat) {
  if (!parser.finish()) return parser.reader().error();
  if (!parser.has_messages() || chat.request.messages.empty()) {
    return ApiError{.message = "messages is missing or empty", .param = "messages", .code = "missing"};
  }
  if (const Status status = validate_request(chat.request); !status.is_ok()) {
    const std::string& message = status.message();
    std::string param = message.find("stop string") != std::string::npos ? "stop" : "";
    if (message.starts_with("the last message")) param = "messages";
    for (const char* name : {"max_latency_ms", "max_ttft_ms", "max_cost_usd", "min_quality"}) {
      if (message.starts_with(name)) param = std::string("saccade.") + name;
    }
    return api_error(status, std::move(param));
  }
  return std::nullopt;
}

}  // namespace

std::optional<ApiError> parse_chat_request(const HttpRequest& http, ChatRequest& chat) {
  // Fields of the header first: the body's, which are read later, win.
  if (auto error = read_budget_fields(http, chat.request.budget)) return error;
  if (auto error = read_mode_field(http, chat.request.budget)) return error;
  ChatParser parser(chat);
  const auto read = [&](const std::string& name, JsonValue value) { return parser.read_field(name, value); };
  if (!parser.reader().body(http.body, read)) return parser.reader().error();
  return check_whole(parser, chat);
}

std::optional<ApiError> parse_tokenize_request(const HttpRequest& http, TokenizeRequest& asked) {
  ChatParser parser(asked.chat);
  const auto read = [&](const std::string& name, JsonValue value) {
    if (name == "text" || name == "prompt") return parser.reader().string(value, name, asked.text.emplace());
    return parser.read_field(name, value);
  };
  if (!parser.reader().body(http.body, read)) return parser.reader().error();
  if (asked.text && parser.has_messages()) {
    return ApiError{
        .message = "there are both messages and a text; give one of them", .param = "text", .code = "invalid_value"};
  }
  if (asked.text) return std::nullopt;
  return check_whole(parser, asked.chat);
}

std::optional<ApiError> parse_feedback_request(const HttpRequest& http, FeedbackRequest& feedback) {
  JsonReader reader;
  std::optional<double> score;
  const auto read = [&](const std::string& name, JsonValue value) {
    if (name == "request_id" || name == "id") return reader.string(value, name, feedback.request_id);
    if (name == "score") return reader.number(value, name, 0, 1, score.emplace());
    if (name == "right" || name == "wrong") {
      bool is_so = false;
      if (!reader.boolean(value, name, is_so)) return false;
      score = is_so == (name == "right") ? 1 : 0;
    }
    return true;
  };
  if (!reader.body(http.body, read)) return reader.error();
  if (feedback.request_id.empty()) {
    return ApiError{.message = "request_id is missing: the id of the answer", .param = "request_id", .code = "missing"};
  }
  if (!score) {
    return ApiError{.message = "there is neither a score, from 0 (wrong) to 1 (right), nor right or wrong",
                    .param = "score",
                    .code = "missing"};
  }
  feedback.score = *score;
  return std::nullopt;
}

}  // namespace saccade
