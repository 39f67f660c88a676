#include "engine/continuation.h"

#include <algorithm>
#include <utility>

#include "platform/clock.h"

namespace saccade {

Continuation::Continuation(const Model& model, ThreadPool& pool, Conversation& conversation, Start start)
    : model_(model),
      pool_(pool),
      conversation_(conversation),
      tokens_(std::move(start.tokens)),
      position_(start.position),
      may_guess_(start.may_guess),
      trace_(start.trace),
      logits_(std::move(start.logits)) {}

Status Continuation::push(TokenId token, int64_t num_left) {
  tokens_.push_back(token);
  ++position_;
  const auto num_rows = static_cast<int64_t>(batch_.size());
  if (row_ + 1 < num_rows && batch_[static_cast<size_t>(row_) + 1] == token) {  // the logits behind it are there
    ++row_;
    ++num_guessed_right_;
    return {};
  }
  if (num_rows > 0) {
    gauge_.record(static_cast<int>(num_rows) - 1, static_cast<int>(row_), batch_ms_);
    conversation_.truncate(conversation_.num_rows() - (num_rows - 1 - row_));
  }
  batch_ = {token};
  const std::vector<TokenId> guesses = guess(num_left);
  batch_.insert(batch_.end(), guesses.begin(), guesses.end());
  num_guessed_ += static_cast<int64_t>(guesses.size());
  row_ = 0;
  const Stopwatch clock;
  SACCADE_RETURN_IF_ERROR(compute_batch());
  batch_ms_ = clock.elapsed_ms();
  return {};
}

std::vector<TokenId> Continuation::guess(int64_t num_left) const {
  // The last token asked for needs no logits behind it.
  const int64_t most = std::min({num_left - 1, model_.decoder->num_independent_rows() - 1, int64_t{kMaxGuesses}});
  if (!may_guess_ || most <= 0) return {};
  std::vector<TokenId> guesses = look_up(tokens_, static_cast<int>(most));
  guesses.resize(static_cast<size_t>(gauge_.worthwhile(static_cast<int>(guesses.size()))));
  return guesses;
}

Status Continuation::compute_batch() {
  const auto count = static_cast<int64_t>(batch_.size());
  Tensor rows({count, model_.decoder->config().model_dim});
  std::vector<TokenPosition> positions;
  std::vector<uint64_t> fingerprints;
  for (int64_t i = 0; i < count; ++i) {
    const TokenId token = batch_[static_cast<size_t>(i)];
    const auto position = static_cast<int32_t>(position_ - 1 + i);
    model_.decoder->embed(token, rows.row(i));
    positions.push_back({position, position, position});
    fingerprints.push_back(static_cast<uint64_t>(token));
  }
  SACCADE_ASSIGN_OR_RETURN(
      logits_, conversation_.extend(*model_.decoder, pool_, {rows, positions, fingerprints}, count, {}, trace_));
  return {};
}

}  // namespace saccade
