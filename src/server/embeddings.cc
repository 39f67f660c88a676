// POST /v1/embeddings: from a request's body to its vectors.
#include <bit>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/format.h"
#include "platform/clock.h"
#include "server/api.h"
#include "server/api_error.h"
#include "server/base64.h"
#include "server/embedding_request.h"

namespace saccade {
namespace {

using Json = nlohmann::ordered_json;

// The double whose shortest text is that of the float: a float's value as a double is told with digits that say
// nothing.
double as_written(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  double number = 0;
  std::from_chars(text, end, number);
  return number;
}

Json vector_json(const std::vector<float>& vector, bool is_base64) {
  if (is_base64) {
    std::vector<std::byte> bytes;  // little-endian
    bytes.reserve(4 * vector.size());
    for (const float value : vector) {
      const auto bits = std::bit_cast<uint32_t>(value);
      for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::byte>(bits >> shift));
    }
    return encode_base64(bytes);
  }
  Json numbers = Json::array();
  for (const float value : vector) numbers.push_back(as_written(value));
  return numbers;
}

// One request's vectors, one input after the other.
class EmbeddingAnswer {
 public:
  EmbeddingAnswer(const ApiContext& api, ApiExchange& exchange, EmbeddingRequest asked)
      : api_(api), exchange_(exchange), asked_(std::move(asked)) {}

  void run();

 private:
  Status admit();
  bool embed(size_t input_idx);
  void record(double computed_ms);
  ApiError error_of(const Status& status, const EmbeddingInput& input) const;
  std::string json() const;

  const ApiContext& api_;
  ApiExchange& exchange_;
  EmbeddingRequest asked_;
  std::vector<Embedding> embeddings_;
  int64_t text_tokens_ = 0;
  int64_t image_tokens_ = 0;
};

// An error about an input's only message is one about the input.
ApiError EmbeddingAnswer::error_of(const Status& status, const EmbeddingInput& input) const {
  ApiError error = api_error(status);
  if (error.param.empty() || error.param.starts_with("messages[")) error.param = input.param;
  if (!error.message.starts_with("input")) error.message = input.param + ": " + error.message;
  return error;
}

Status EmbeddingAnswer::admit() {
  const std::optional<Price> price = api_.accounting.price_of(api_.model_path);
  const auto explain = [&](const Request&) -> Expected<PlanExplanation> {
    ConsideredPlan plan;
    plan.is_chosen = true;
    for (const EmbeddingInput& input : asked_.inputs) {
      const auto counts = api_.model.count_tokens(input.request);
      if (!counts) return counts.status().with_context(input.param);
      plan.predicted.cost_usd += cost_usd(
          price.value_or(Price()),
          {.text_tokens = static_cast<double>(counts->text), .image_tokens = static_cast<double>(counts->visual)});
    }
    PlanExplanation explanation;
    explanation.plans.push_back(std::move(plan));
    return explanation;
  };
  std::string note;  // of cheaper plans, which there are none of
  return api_.accounting.admit(explain, asked_.inputs.front().request, note, exchange_.spending_limits());
}

bool EmbeddingAnswer::embed(size_t input_idx) {
  EmbeddingInput& input = asked_.inputs[input_idx];
  auto embedding = api_.model.embed(input.request);
  if (!embedding) {
    (void)api_.accounting.record_failure(api_.model_path, asked_.inputs.front().request, embedding.status());
    exchange_.fail(error_of(embedding.status(), input));
    return false;
  }
  for (ContentPart& part : input.request.messages[0].content) part.bytes = {};  // it is not needed any more
  text_tokens_ += embedding->text_tokens;
  image_tokens_ += embedding->image_tokens;
  embeddings_.push_back(*std::move(embedding));
  return true;
}

// As an answer without a word.
void EmbeddingAnswer::record(double computed_ms) {
  const ModelInfo& info = api_.model.info();
  Receipt receipt;
  receipt.request_id = exchange_.request.id;
  receipt.plan = "embedding";
  receipt.model = api_.model_name();
  receipt.family = info.family;
  receipt.isa = info.isa;
  receipt.threads = info.threads;
  receipt.latency_ms = now_ms() - exchange_.request.arrived_ms;
  receipt.tokens.text = text_tokens_;
  receipt.tokens.visual = image_tokens_;
  receipt.finish_reason = "stop";
  if (image_tokens_ > 0) receipt.pictures.emplace_back();  // the entry's modality
  if (const std::optional<Price> price = api_.accounting.price_of(api_.model_path)) {
    receipt.cost = CostReceipt{cost_usd(*price, {.text_tokens = static_cast<double>(text_tokens_),
                                                 .image_tokens = static_cast<double>(image_tokens_),
                                                 .device_ms = computed_ms}),
                               {}};
  }
  const Status recorded = api_.accounting.record(asked_.inputs.front().request, receipt);
  if (!recorded.is_ok()) exchange_.record.error = "the embeddings are not on record: " + recorded.message();
}

std::string EmbeddingAnswer::json() const {
  const std::string& space = embeddings_.front().space;
  const int64_t num_tokens = text_tokens_ + image_tokens_;
  Json data = Json::array();
  for (const Embedding& embedding : embeddings_) {
    data.push_back({{"object", "embedding"},
                    {"index", data.size()},
                    {"embedding", vector_json(embedding.vector, asked_.is_base64)},
                    {"space", embedding.space}});
  }
  const Json json = {
      {"object", "list"},
      {"data", std::move(data)},
      {"model", asked_.model.empty() ? api_.served_names.front() : asked_.model},
      {"usage",
       {{"prompt_tokens", num_tokens},
        {"total_tokens", num_tokens},
        {"prompt_tokens_details", {{"image_tokens", image_tokens_}, {"text_tokens", text_tokens_}}}}},
      {"saccade",
       {{"request_id", exchange_.request.id}, {"space", space}, {"dimensions", embeddings_.front().vector.size()}}}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void EmbeddingAnswer::run() {
  if (const Status admitted = admit(); !admitted.is_ok()) {
    (void)api_.accounting.record_failure(api_.model_path, asked_.inputs.front().request, admitted);
    return exchange_.fail(api_error(admitted));
  }
  const Stopwatch clock;
  for (size_t i = 0; i < asked_.inputs.size(); ++i) {
    if (exchange_.must_stop()) {
      exchange_.record.was_cancelled = true;
      return exchange_.fail(api_error(cancelled("the embeddings were cut short")));
    }
    if (!embed(i)) return;
    exchange_.record.prompt_tokens = text_tokens_ + image_tokens_;
  }
  record(clock.elapsed_ms());
  exchange_.respond({.body = json()});
}

}  // namespace

void answer_embeddings(const ApiContext& api, ApiExchange& exchange) {
  EmbeddingRequest asked;
  if (const auto error = parse_embedding_request(exchange.request, asked)) return exchange.fail(*error);
  exchange.request.body.clear();
  if (const auto error = check_model(api, asked.model)) return exchange.fail(*error);
  const int64_t num_dimensions = api.model.info().embedding_dim;
  if (asked.dimensions && *asked.dimensions != num_dimensions) {
    return exchange.fail(
        {.message =
             format("dimensions is %lld; this model's vectors have %lld, and can't be made shorter: leave it out",
                    static_cast<long long>(*asked.dimensions), static_cast<long long>(num_dimensions)),
         .param = "dimensions",
         .code = "invalid_value"});
  }
  for (EmbeddingInput& input : asked.inputs) {
    exchange.sign(input.request);
    const auto error = api.media.load(input.request, input.media, [&] { return exchange.must_stop(); });
    if (error) return exchange.fail(*error);
  }
  EmbeddingAnswer(api, exchange, std::move(asked)).run();
}

}  // namespace saccade
