// POST /v1/chat/completions: from a request's body to the last chunk of its answer.
#include <string>
#include <utility>
#include <vector>

#include "platform/clock.h"
#include "server/api.h"
#include "server/api_error.h"
#include "server/chat_answer.h"
#include "server/chat_request.h"

namespace saccade {
namespace {

// One request's answers, whole or as they come.
class ChatCompletion {
 public:
  ChatCompletion(const ApiContext& api, ApiExchange& exchange, ChatRequest chat)
      : api_(api),
        exchange_(exchange),
        chat_(std::move(chat)),
        head_{.id = chat_.request.id,
              .created_s = wall_time_us() / 1'000'000,
              .model = chat_.model.empty() ? api.served_names.front() : chat_.model,
              .fingerprint = api.fingerprint()},
        chunks_(head_, chat_.wants_usage) {}

  void run();

 private:
  Status admit();
  Expected<Answer> answer(int choice);
  bool stream_text(int choice, std::string_view text);
  void begin_choice(int choice);
  void end_stream();
  void fail(const Status& status);

  const ApiContext& api_;
  ApiExchange& exchange_;
  ChatRequest chat_;
  const ChatAnswerHead head_;
  const ChatChunks chunks_;
  std::vector<TokenLogprobs> untold_;  // of the choice in progress, since its last chunk
  int num_begun_ = 0;                  // choices whose first chunk was written
  ChatUsage usage_;
};

Status ChatCompletion::admit() {
  std::string note;  // what it says of a plan that was made cheaper, the receipt shows
  const auto explain = [&](const Request&) { return api_.model.explain(chat_.request, exchange_.request.arrived_ms); };
  return api_.accounting.admit(explain, chat_.request, note, exchange_.spending_limits());
}

// The request is the same but for its seed and id: pictures are in memory once, however many answers there are.
Expected<Answer> ChatCompletion::answer(int choice) {
  Request& request = chat_.request;
  request.budget.num_queued = chat_.num_choices - 1 - choice;
  if (choice > 0) {
    request.id = head_.id + "-" + std::to_string(choice + 1);
    if (request.sampling.seed) ++*request.sampling.seed;
  }
  AnswerCallbacks callbacks;
  callbacks.stop = exchange_.stop();
  if (chat_.is_streamed) {
    callbacks.on_text = [&](std::string_view text) { return stream_text(choice, text); };
    callbacks.on_logprobs = [&](const TokenLogprobs& logprobs) { untold_.push_back(logprobs); };
  }
  auto answer = api_.model.answer(request, exchange_.request.arrived_ms, callbacks);
  const Status recorded = answer ? api_.accounting.record(request, answer->receipt)
                                 : api_.accounting.record_failure(api_.model_path, request, answer.status());
  if (!recorded.is_ok()) exchange_.record.error = "the answer is not on record: " + recorded.message();
  return answer;
}

// The head of the answer goes out with its first text, so that what fails before has a status of its own.
void ChatCompletion::begin_choice(int choice) {
  if (!exchange_.has_begun()) {
    exchange_.begin_stream({.content_type = "text/event-stream", .fields = {{"cache-control", "no-cache"}}});
  }
  if (num_begun_ > choice) return;
  num_begun_ = choice + 1;
  exchange_.write(chunks_.role(choice));
}

bool ChatCompletion::stream_text(int choice, std::string_view text) {
  begin_choice(choice);
  return exchange_.write(chunks_.text(choice, text, std::exchange(untold_, {})));
}

void ChatCompletion::end_stream() {
  if (chat_.wants_usage) exchange_.write(chunks_.usage(usage_));
  exchange_.write(sse_done());
  exchange_.end_stream();
}

void ChatCompletion::fail(const Status& status) {
  const ApiError error = api_error(status);
  if (!exchange_.has_begun()) return exchange_.fail(error);
  exchange_.record.error = error.message;
  exchange_.write(sse_event(error_json(error)));
  exchange_.end_stream();
}

void ChatCompletion::run() {
  if (const Status admitted = admit(); !admitted.is_ok()) {
    (void)api_.accounting.record_failure(api_.model_path, chat_.request, admitted);  // the refusal is told anyway
    return fail(admitted);
  }
  std::vector<Answer> answers;
  for (int choice = 0; choice < chat_.num_choices; ++choice) {
    auto answer = this->answer(choice);
    if (!answer) return fail(answer.status());
    usage_.add(answer->receipt);
    exchange_.record.prompt_tokens = usage_.text_tokens + usage_.image_tokens;
    exchange_.record.completion_tokens = usage_.completion_tokens;
    if (answer->receipt.finish_reason == "cancelled") {
      exchange_.record.was_cancelled = true;
      return fail(cancelled("the answer was cut short"));
    }
    if (chat_.is_streamed) {
      begin_choice(choice);  // an answer may be empty
      exchange_.write(chunks_.end(choice, answer->receipt, std::exchange(untold_, {})));
    } else {
      answers.push_back(*std::move(answer));
    }
  }
  if (chat_.is_streamed) return end_stream();
  exchange_.respond({.body = chat_completion_json(head_, answers, chat_.request.logprobs.has_value())});
}

}  // namespace

void answer_chat(const ApiContext& api, ApiExchange& exchange) {
  ChatRequest chat;
  if (const auto error = parse_chat_request(exchange.request, chat)) return exchange.fail(*error);
  exchange.request.body.clear();  // its pictures are decoded: from here on they are in memory once
  if (const auto error = check_model(api, chat.model)) return exchange.fail(*error);
  exchange.sign(chat.request);
  if (const auto error = api.media.load(chat.request, chat.media, [&] { return exchange.must_stop(); }))
    return exchange.fail(*error);
  ChatCompletion(api, exchange, std::move(chat)).run();
}

}  // namespace saccade
