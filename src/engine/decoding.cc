#include "engine/decoding.h"

#include <utility>

#include "engine/prompt.h"
#include "platform/clock.h"

namespace saccade {

Decoding::Decoding(Start start, Continuation::Start prompt)
    : start_(std::move(start)),
      sampler_(start_.request.sampling, start_.seed),
      writer_(start_.tokenizer, start_.request, start_.callbacks, start_.answer.text),
      continuation_(start_.conversation, std::move(prompt)) {
  for (const TokenId token : continuation_.tokens()) {
    if (token != Prompt::kMediaRow) sampler_.see(token);
  }
}

bool Decoding::draw() {
  while (true) {
    const std::optional<int>& num_likeliest = start_.request.logprobs;
    std::vector<float> raw;  // the sampler writes to them
    if (num_likeliest) raw.assign(continuation_.logits().begin(), continuation_.logits().end());
    const std::optional<TokenId> token = draw_token();
    if (num_drawn_ == 0) first_token_at_ms_ = now_ms();
    if (!token) return false;
    if (num_likeliest && !start_.tokenizer.is_end(*token)) tell_logprobs(log_probs(raw, *token, *num_likeliest));
    ++num_drawn_;
    if (has_ended(*token)) return false;
    sampler_.see(*token);
    if (continuation_.push(*token)) return true;
  }
}

// Nothing where no token may come: the vocabulary has none that the constraint allows, and the answer is cut there,
// unless it is whole. A guess is accepted only as what is drawn here, so that it keeps the constraint too.
std::optional<TokenId> Decoding::draw_token() {
  const std::span<float> logits = continuation_.logits();
  TokenConstraint* const constraint = start_.constraint;
  if (constraint == nullptr) return sampler_.sample(logits);
  if (!constraint->mask(logits)) {
    is_ended_ = constraint->may_end();
    return std::nullopt;
  }
  const TokenId token = sampler_.sample(logits);
  // The sampler makes numbers of infinities: where the model's own logits are no numbers, it may draw what is masked.
  return constraint->allows(token) ? token : constraint->first_allowed();
}

void Decoding::tell_logprobs(std::span<const LogProb> logprobs) {
  const auto told = [&](const LogProb& one) { return TokenLogprob{start_.tokenizer.piece(one.token), one.logprob}; };
  TokenLogprobs all = {told(logprobs.front()), {}};
  for (const LogProb& one : logprobs.subspan(1)) all.likeliest.push_back(told(one));
  if (start_.callbacks.on_logprobs) start_.callbacks.on_logprobs(all);
  start_.answer.logprobs.push_back(std::move(all));
}

bool Decoding::has_ended(TokenId token) {
  is_ended_ = start_.tokenizer.is_end(token);
  if (is_ended_) return true;
  writer_.push(token);
  if (start_.constraint != nullptr) {
    start_.constraint->push(token);
    is_ended_ = start_.constraint->must_end();
    if (is_ended_) return true;
  }
  if (writer_.is_stopped() || writer_.is_cancelled() || num_left() == 0) return true;
  return start_.has_time && !start_.has_time(num_drawn_);
}

const char* Decoding::finish_reason() const {
  if (writer_.is_cancelled()) return "cancelled";
  return is_ended_ || writer_.is_stopped() ? "stop" : "length";
}

}  // namespace saccade
