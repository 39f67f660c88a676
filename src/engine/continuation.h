// What comes behind a prompt, a drawn token at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "decoder/speculation.h"
#include "engine/conversation.h"
#include "saccade/status.h"
#include "tensor/tensor.h"
#include "text/tokenizer.h"

namespace saccade {

/// Guesses what comes next where that is measured to pay, and has the logits behind a token and its guesses computed
/// together; each row is computed as it would be alone, so the tokens drawn are the same with and without.
class Continuation {
 public:
  struct Start {
    std::vector<TokenId> tokens;  // of the prompt; negative where there is no text
    Tensor logits;                // behind it, [1, vocab_size]
    int32_t position = 0;         // of the first token that is drawn
    bool may_guess = true;
  };

  /// `conversation` must outlive this.
  Continuation(Conversation& conversation, Start start);

  /// From which the next token is drawn; may be overwritten.
  std::span<float> logits() { return logits_->row(logits_row_ + row_); }
  /// Goes on behind the token that was drawn. False: the logits behind it were guessed right and are there; else they
  /// are to be computed.
  bool push(TokenId token);

  /// The rows to be computed: the token, and guesses of what follows, `most` (from 1) in all; of which at most
  /// `num_left` are wanted. Holds until the next push().
  std::span<const TokenId> plan_rows(int64_t num_left, int64_t most);
  std::span<const TokenId> rows() const { return batch_; }
  int32_t first_position() const { return position_ - 1; }
  /// They were, and the conversation has them; the logits behind them begin at a row of `logits`.
  void take(std::shared_ptr<Tensor> logits, int64_t first_row, double ms);

  /// Of the prompt and the answer.
  std::span<const TokenId> tokens() const { return tokens_; }
  /// The tokens that were drawn and whose rows were computed, for computing them again.
  std::span<const TokenId> computed() const;

  int64_t num_guessed() const { return num_guessed_; }
  int64_t num_guessed_right() const { return num_guessed_right_; }

 private:
  std::vector<TokenId> guess(int64_t most) const;

  Conversation& conversation_;
  std::vector<TokenId> tokens_;
  const size_t num_prompt_tokens_;
  int32_t position_;
  const bool may_guess_;
  SpeculationGauge gauge_;
  std::vector<TokenId> batch_;      // the rows behind which the logits are: a token that was drawn, then guesses
  std::shared_ptr<Tensor> logits_;  // [rows, vocab_size], from logits_row_ on
  int64_t logits_row_ = 0;
  int64_t row_ = 0;
  double batch_ms_ = 0;
  int64_t num_guessed_ = 0;
  int64_t num_guessed_right_ = 0;
};

}  // namespace saccade
