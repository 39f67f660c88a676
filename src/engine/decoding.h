// The tokens of one answer: drawn, written, and asked for one after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "constraint/token_mask.h"
#include "decoder/logprobs.h"
#include "decoder/sampler.h"
#include "engine/answer_writer.h"
#include "engine/continuation.h"
#include "engine/conversation.h"
#include "saccade/engine.h"
#include "scheduling/urgency.h"
#include "tensor/tensor.h"

namespace saccade {

/// Everything of an answer between its prompt and its last token, but for computing: that is done for many at a time
/// (StepLoop). Thread safety: one thread at a time.
class Decoding {
 public:
  struct Start {
    const Tokenizer& tokenizer;
    const Request& request;
    const AnswerCallbacks& callbacks;
    Conversation& conversation;  // holds the prompt
    uint64_t seed = 0;
    Urgency urgency = {};
    int64_t max_tokens = 0;
    // Asked before each token but the first, with how many there are: whether another one will be in time. May be
    // empty.
    std::function<bool(int64_t num_drawn)> has_time = {};
    TokenConstraint* constraint = nullptr;  // at the answer's beginning; null: any text will do
    Answer& answer;                         // its text, and logprobs; appended to
  };

  /// `start`'s references must outlive this.
  Decoding(Start start, Continuation::Start prompt);

  /// Draws the next token, and those behind it whose logits were guessed right. False: the answer has ended. Throws
  /// what the callbacks throw.
  bool draw();
  /// Writes what was held back. Once, after the last token.
  void finish() { writer_.finish(); }

  const Urgency& urgency() const { return start_.urgency; }
  Conversation& conversation() { return start_.conversation; }
  Continuation& continuation() { return continuation_; }
  const Continuation& continuation() const { return continuation_; }
  int64_t num_left() const { return start_.max_tokens - num_drawn_; }

  int64_t num_drawn() const { return num_drawn_; }
  /// "stop", "length" or "cancelled".
  const char* finish_reason() const;
  /// On the clock of now_ms(); 0 before there is one.
  double first_token_at_ms() const { return first_token_at_ms_; }

  ForwardTrace trace;  // of its forwards
  // Of the steps that it took part in.
  int64_t num_other_rows = 0;  // of other answers
  double waited_ms = 0;        // between steps, for other work

 private:
  std::optional<TokenId> draw_token();
  bool has_ended(TokenId token);
  void tell_logprobs(std::span<const LogProb> logprobs);

  const Start start_;
  Sampler sampler_;
  AnswerWriter writer_;
  Continuation continuation_;
  int64_t num_drawn_ = 0;
  double first_token_at_ms_ = 0;
  bool is_ended_ = false;  // by the model, or as a whole text of its constraint
};

}  // namespace saccade
