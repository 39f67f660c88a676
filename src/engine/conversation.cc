#include "engine/conversation.h"

#include <algorithm>

namespace saccade {

Conversation Conversation::fork(int64_t num_rows, ConversationPlan plan) const {
  Conversation other(kv_.fork(num_rows), std::move(plan));
  other.fingerprints_.assign(fingerprints_.begin(), fingerprints_.begin() + num_rows);
  return other;
}

int64_t Conversation::num_common_rows(std::span<const uint64_t> fingerprints) const {
  const auto [theirs, ours] = std::ranges::mismatch(fingerprints, fingerprints_);
  return theirs - fingerprints.begin();
}

void Conversation::truncate(int64_t num_rows) {
  kv_.truncate(num_rows);
  fingerprints_.resize(std::min(fingerprints_.size(), static_cast<size_t>(num_rows)));
}

Expected<Tensor> Conversation::extend(const Decoder& decoder, ThreadPool& pool, const NewRows& more,
                                      int64_t num_logit_rows, std::function<bool(double fraction)> progress,
                                      ForwardTrace* trace) {
  kv_.truncate(static_cast<int64_t>(fingerprints_.size()));
  fingerprints_.reserve(fingerprints_.size() + more.fingerprints.size());  // nothing can fail behind the forward
  ForwardArgs args;
  args.rows = &more.rows;
  args.positions = more.positions;
  args.num_logit_rows = num_logit_rows;
  const SequenceRows rows = {&kv_,
                             static_cast<int64_t>(more.positions.size()),
                             &plan_.sequence,
                             more.is_visual,
                             more.key_biases,
                             trace,
                             more.is_answer};
  args.sequences = {&rows, 1};
  args.progress = std::move(progress);
  SACCADE_ASSIGN_OR_RETURN(Tensor logits, decoder.forward(pool, args));
  commit(more.fingerprints);
  return logits;
}

Status Conversation::reserve(int64_t count) {
  kv_.truncate(static_cast<int64_t>(fingerprints_.size()));
  fingerprints_.reserve(fingerprints_.size() + static_cast<size_t>(count));
  for (int64_t layer_idx = 0; layer_idx < kv_.num_layers(); ++layer_idx) {
    if (plan_.sequence.runs(layer_idx)) SACCADE_RETURN_IF_ERROR(kv_.reserve(layer_idx, count));
  }
  return {};
}

void Conversation::commit(std::span<const uint64_t> fingerprints) {
  fingerprints_.insert(fingerprints_.end(), fingerprints.begin(), fingerprints.end());
}

}  // namespace saccade
