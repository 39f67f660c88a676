#include "engine/continuation.h"

#include <algorithm>
#include <utility>

namespace saccade {

Continuation::Continuation(Conversation& conversation, Start start)
    : conversation_(conversation),
      tokens_(std::move(start.tokens)),
      num_prompt_tokens_(tokens_.size()),
      position_(start.position),
      may_guess_(start.may_guess),
      logits_(std::make_shared<Tensor>(std::move(start.logits))) {}

bool Continuation::push(TokenId token) {
  tokens_.push_back(token);
  ++position_;
  const auto num_rows = static_cast<int64_t>(batch_.size());
  if (row_ + 1 < num_rows && batch_[static_cast<size_t>(row_) + 1] == token) {
    ++row_;
    ++num_guessed_right_;
    return false;
  }
  if (num_rows > 0) {
    gauge_.record(static_cast<int>(num_rows) - 1, static_cast<int>(row_), batch_ms_);
    conversation_.truncate(conversation_.num_rows() - (num_rows - 1 - row_));
  }
  batch_ = {token};
  logits_.reset();
  row_ = 0;
  return true;
}

std::span<const TokenId> Continuation::plan_rows(int64_t num_left, int64_t most) {
  // The last token asked for needs no logits behind it.
  const std::vector<TokenId> guesses = guess(std::min({num_left - 1, most - 1, int64_t{kMaxGuesses}}));
  batch_.resize(1);
  batch_.insert(batch_.end(), guesses.begin(), guesses.end());
  return batch_;
}

std::vector<TokenId> Continuation::guess(int64_t most) const {
  if (!may_guess_ || most <= 0) return {};
  std::vector<TokenId> guesses = look_up(tokens_, static_cast<int>(most));
  guesses.resize(static_cast<size_t>(gauge_.worthwhile(static_cast<int>(guesses.size()))));
  return guesses;
}

void Continuation::take(std::shared_ptr<Tensor> logits, int64_t first_row, double ms) {
  logits_ = std::move(logits);
  logits_row_ = first_row;
  batch_ms_ = ms;
  num_guessed_ += std::ssize(batch_) - 1;
}

std::span<const TokenId> Continuation::computed() const {
  const size_t num_waiting = logits_ == nullptr ? 1 : 0;
  return std::span(tokens_).subspan(num_prompt_tokens_, tokens_.size() - num_prompt_tokens_ - num_waiting);
}

}  // namespace saccade
