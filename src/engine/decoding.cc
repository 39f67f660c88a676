#include "engine/decoding.h"

#include <utility>

#include "engine/prompt.h"
#include "platform/clock.h"

namespace saccade {

Decoding::Decoding(Start start, Continuation::Start prompt)
    : start_(std::move(start)),
      sampler_(start_.request.sampling, start_.seed),
      writer_(start_.tokenizer, start_.request, start_.callbacks, start_.text),
      continuation_(start_.conversation, std::move(prompt)) {
  for (const TokenId token : continuation_.tokens()) {
    if (token != Prompt::kMediaRow) sampler_.see(token);
  }
}

bool Decoding::draw() {
  while (true) {
    const TokenId token = sampler_.sample(continuation_.logits());
    if (num_drawn_++ == 0) first_token_at_ms_ = now_ms();
    if (has_ended(token)) return false;
    sampler_.see(token);
    if (continuation_.push(token)) return true;
  }
}

bool Decoding::has_ended(TokenId token) {
  is_ended_ = start_.tokenizer.is_end(token);
  if (is_ended_) return true;
  writer_.push(token);
  if (writer_.is_stopped() || writer_.is_cancelled() || num_left() == 0) return true;
  return start_.has_time && !start_.has_time(num_drawn_);
}

const char* Decoding::finish_reason() const {
  if (writer_.is_cancelled()) return "cancelled";
  return is_ended_ || writer_.is_stopped() ? "stop" : "length";
}

}  // namespace saccade
