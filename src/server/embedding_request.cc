#include "server/embedding_request.h"

#include <limits>
#include <utility>

#include "base/format.h"
#include "request/plan_text.h"
#include "request/validate_request.h"
#include "server/content_parser.h"
#include "server/json_reader.h"

namespace saccade {
namespace {

using simdjson::ondemand::json_type;

class EmbeddingParser {
 public:
  explicit EmbeddingParser(EmbeddingRequest& asked) : asked_(asked) {}

  std::optional<ApiError> read(const BodyBuffer& body) {
    const auto read_one = [&](const std::string& name, JsonValue value) { return read_field(name, value); };
    if (reader_.body(body, read_one)) finish();
    return reader_.error();
  }

 private:
  bool read_field(const std::string& name, JsonValue value);
  bool read_inputs(JsonValue value);
  bool read_input(JsonValue value, const std::string& param);
  bool read_format(JsonValue value);
  bool read_plan(JsonValue value);
  bool finish();

  EmbeddingRequest& asked_;
  JsonReader reader_;
  Plan plan_;
};

bool EmbeddingParser::read_field(const std::string& name, JsonValue value) {
  if (name == "input") return read_inputs(value);
  if (name == "model") return reader_.string(value, name, asked_.model);
  if (name == "encoding_format") return read_format(value);
  if (name == "dimensions") {
    return reader_.integer(value, name, 1, std::numeric_limits<int64_t>::max(), asked_.dimensions.emplace());
  }
  if (name == "saccade") return read_plan(value);
  return true;
}

bool EmbeddingParser::read_inputs(JsonValue value) {
  asked_.inputs.clear();
  json_type type = {};
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type != json_type::array) return read_input(value, "input");
  return reader_.elements(value, "input", [&](JsonValue item, const std::string& param) {
    if (asked_.inputs.size() == EmbeddingRequest::kMaxInputs) {
      return reader_.fail("input", format("input has more than %zu elements; send them in several requests",
                                          EmbeddingRequest::kMaxInputs));
    }
    return read_input(item, param);
  });
}

bool EmbeddingParser::read_input(JsonValue value, const std::string& param) {
  json_type type = {};
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  if (type == json_type::number || type == json_type::array) {
    return reader_.unsupported(param, "numbers of tokens can't be embedded here; send their text");
  }
  EmbeddingInput& input = asked_.inputs.emplace_back();
  input.param = param;
  Message& message = input.request.messages.emplace_back();
  message.role = "user";
  if (type == json_type::string) {
    if (!reader_.string(value, param, message.content.emplace_back().text)) return false;
    return !message.content[0].text.empty() || reader_.fail(param, param + " is empty");
  }
  if (type != json_type::object) return reader_.wrong_type(param, "a string, or an object with content");
  const auto read = [&](const std::string& name, JsonValue field) {
    return name != "content" || ContentParser(reader_, input.media).read(field, param + ".content", 0, message);
  };
  if (!reader_.object(value, param, read)) return false;
  return !message.content.empty() ||
         reader_.fail(param + ".content", param + ".content is missing or empty", "missing");
}

bool EmbeddingParser::read_format(JsonValue value) {
  std::string name;
  if (!reader_.string(value, "encoding_format", name)) return false;
  asked_.is_base64 = name == "base64";
  return asked_.is_base64 || name == "float" ||
         reader_.fail("encoding_format", "encoding_format is " + quote(name) + "; it must be float or base64");
}

// Of a budget there is nothing to keep: an embedding is one pass, by the plan that is said.
bool EmbeddingParser::read_plan(JsonValue value) {
  return reader_.object(value, "saccade", [&](const std::string& name, JsonValue field) {
    if (name != "plan") return true;
    std::string text;
    if (!reader_.string(field, "saccade.plan", text)) return false;
    auto plan = parse_plan(text);
    if (!plan) return reader_.fail("saccade.plan", "saccade.plan: " + plan.status().message());
    plan_ = *std::move(plan);
    return true;
  });
}

bool EmbeddingParser::finish() {
  if (asked_.inputs.empty()) return reader_.fail("input", "input is missing or empty", "missing");
  for (EmbeddingInput& input : asked_.inputs) {
    input.request.plan = plan_;
    const Status status = validate_request(input.request);
    if (!status.is_ok()) return reader_.fail(input.param, input.param + ": " + status.message());
  }
  return true;
}

}  // namespace

std::optional<ApiError> parse_embedding_request(const HttpRequest& http, EmbeddingRequest& asked) {
  return EmbeddingParser(asked).read(http.body);
}

}  // namespace saccade
