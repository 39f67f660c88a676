// The decoder run on behind a prompt, a drawn token at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decoder/speculation.h"
#include "engine/conversation.h"
#include "engine/model.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"

namespace saccade {

/// Guesses what comes next where that is measured to pay, and computes the logits behind a token and its guesses
/// together; each row is computed as it would be alone, so the tokens drawn are the same with and without.
class Continuation {
 public:
  struct Start {
    std::vector<TokenId> tokens;  // of the prompt; negative where there is no text
    Tensor logits;                // behind it, [1, vocab_size]
    int32_t position = 0;         // of the first token that is drawn
    bool may_guess = true;
    ForwardTrace* trace = nullptr;  // added to
  };

  /// All but `start` must outlive this.
  Continuation(const Model& model, ThreadPool& pool, Conversation& conversation, Start start);

  /// From which the next token is drawn; may be overwritten.
  std::span<float> logits() { return logits_.row(row_); }
  /// Goes on behind the token that was drawn; at most `num_left` follow it. Errors: those of Decoder::forward().
  Status push(TokenId token, int64_t num_left);

  int64_t num_guessed() const { return num_guessed_; }
  int64_t num_guessed_right() const { return num_guessed_right_; }

 private:
  std::vector<TokenId> guess(int64_t num_left) const;
  Status compute_batch();

  const Model& model_;
  ThreadPool& pool_;
  Conversation& conversation_;
  std::vector<TokenId> tokens_;
  int32_t position_;
  const bool may_guess_;
  ForwardTrace* const trace_;
  SpeculationGauge gauge_;
  std::vector<TokenId> batch_;  // the rows behind which logits_ are: a token that was drawn, then guesses
  Tensor logits_;               // [batch, vocab_size]
  int64_t row_ = 0;
  double batch_ms_ = 0;
  int64_t num_guessed_ = 0;
  int64_t num_guessed_right_ = 0;
};

}  // namespace saccade
