#include "request/validate_request.h"

#include <cmath>

#include "base/format.h"
#include "base/utf8.h"

namespace saccade {
namespace {

constexpr size_t kMaxStopStrings = 16;
constexpr size_t kMaxStopBytes = 1024;

Status validate_message(const Message& message, size_t message_idx, bool is_last) {
  const std::string where = format("messages[%zu]", message_idx);
  if (message.role != "system" && message.role != "user" && message.role != "assistant") {
    return invalid_argument(where + ".role is " + quote(message.role) + "; it must be system, user or assistant");
  }
  if (message.content.empty()) return invalid_argument(where + " is empty");
  for (const ContentPart& part : message.content) {
    if (part.kind == ContentPart::Kind::kText && !is_valid_utf8(part.text)) {
      return invalid_argument(where + " holds text that is not valid UTF-8");
    }
    if (part.kind == ContentPart::Kind::kImage && message.role != "user") {
      return invalid_argument(where + ": only user messages may hold pictures");
    }
  }
  if (is_last && message.role != "user") {
    return invalid_argument("the last message is from " + message.role + "; it must be the user's");
  }
  return {};
}

Status validate_sampling(const Sampling& sampling) {
  const auto check = [](const char* name, float value, float min, float max) -> Status {
    if (value >= min && value <= max) return {};  // false for NaN
    return invalid_argument(format("%s is %g; it must be between %g and %g", name, static_cast<double>(value),
                                   static_cast<double>(min), static_cast<double>(max)));
  };
  SACCADE_RETURN_IF_ERROR(check("temperature", sampling.temperature, 0, 100));
  SACCADE_RETURN_IF_ERROR(check("top_p", sampling.top_p, 0, 1));
  SACCADE_RETURN_IF_ERROR(check("min_p", sampling.min_p, 0, 1));
  SACCADE_RETURN_IF_ERROR(check("repetition_penalty", sampling.repetition_penalty, 0.01f, 100));
  if (sampling.top_k < 0) return invalid_argument(format("top_k is %d; it must be 0 or more", sampling.top_k));
  return {};
}

Status validate_budget(const Budget& budget) {
  const auto check = [](const char* name, const std::optional<double>& limit, const char* unit) -> Status {
    if (!limit || (std::isfinite(*limit) && *limit > 0)) return {};
    return invalid_argument(format("%s is %g; it must be over 0 %s", name, *limit, unit));
  };
  SACCADE_RETURN_IF_ERROR(check("max_latency_ms", budget.max_latency_ms, "milliseconds"));
  SACCADE_RETURN_IF_ERROR(check("max_ttft_ms", budget.max_ttft_ms, "milliseconds"));
  SACCADE_RETURN_IF_ERROR(check("max_cost_usd", budget.max_cost_usd, "dollars"));
  if (budget.min_quality && !(*budget.min_quality >= 0 && *budget.min_quality <= 1)) {
    return invalid_argument(format("min_quality is %g; it must be between 0 and 1", *budget.min_quality));
  }
  if (!std::isfinite(budget.waited_ms) || budget.waited_ms < 0) {
    return invalid_argument(format("waited_ms is %g; it must be 0 or more", budget.waited_ms));
  }
  if (budget.num_queued < 0) {
    return invalid_argument(
        format("num_queued is %lld; it must be 0 or more", static_cast<long long>(budget.num_queued)));
  }
  return {};
}

// Whether the schema is one is found when it is compiled (constraint/json_schema.h).
Status validate_format(const ResponseFormat& format) {
  const bool has_schema = format.schema.find_first_not_of(" \t\r\n") != std::string::npos;
  if (format.kind == ResponseFormat::Kind::kJsonSchema) {
    if (!has_schema) return invalid_argument("the answer's format is json_schema, but there is no schema");
    if (!is_valid_utf8(format.schema)) return invalid_argument("the JSON schema is not valid UTF-8");
  } else if (has_schema) {
    return invalid_argument("there is a JSON schema, but the answer's format is not json_schema");
  }
  return {};
}

}  // namespace

Status validate_request(const Request& request) {
  if (request.messages.empty()) return invalid_argument("there is no message to answer");
  for (size_t i = 0; i < request.messages.size(); ++i) {
    SACCADE_RETURN_IF_ERROR(validate_message(request.messages[i], i, i + 1 == request.messages.size()));
  }
  SACCADE_RETURN_IF_ERROR(validate_sampling(request.sampling));
  SACCADE_RETURN_IF_ERROR(validate_budget(request.budget));
  SACCADE_RETURN_IF_ERROR(validate_format(request.format));
  if (request.logprobs && (*request.logprobs < 0 || *request.logprobs > Request::kMaxLogprobs)) {
    return invalid_argument(
        format("logprobs of %d tokens were asked for; it must be 0 to %d", *request.logprobs, Request::kMaxLogprobs));
  }
  if (request.max_tokens < 1) {
    return invalid_argument(
        format("max_tokens is %lld; it must be 1 or more", static_cast<long long>(request.max_tokens)));
  }
  if (request.stop.size() > kMaxStopStrings) {
    return invalid_argument(
        format("there are %zu stop strings; at most %zu may be given", request.stop.size(), kMaxStopStrings));
  }
  for (const std::string& stop : request.stop) {
    if (stop.empty() || stop.size() > kMaxStopBytes || !is_valid_utf8(stop)) {
      return invalid_argument(format("a stop string must be UTF-8 of 1 to %zu bytes", kMaxStopBytes));
    }
  }
  return {};
}

Expected<MediaBytes> MediaBytes::open(const ContentPart& part, uint64_t max_bytes) {
  MediaBytes media;
  media.name_ = part.path.empty() ? "picture" : part.path;
  if (!part.bytes.empty()) {
    media.bytes_ = part.bytes;
  } else {
    SACCADE_ASSIGN_OR_RETURN(media.file_, read_whole_file(part.path, max_bytes));
    media.bytes_ = media.file_;
  }
  if (media.bytes_.empty()) return corrupt_data(media.name_ + ": the file is empty");
  if (media.bytes_.size() > max_bytes) {
    return resource_exhausted(media.name_ + ": the file has " + format_bytes(media.bytes_.size()) + "; the limit is " +
                              format_bytes(max_bytes));
  }
  return media;
}

}  // namespace saccade
