// The keys and values of the rows computed so far of a prompt and its answer, and what they came from.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "decoder/decoder.h"
#include "platform/thread_pool.h"
#include "saccade/status.h"
#include "tensor/tensor.h"

namespace saccade {

/// Rows to put behind a conversation, each with its position and a fingerprint of what it is computed from.
struct NewRows {
  const Tensor& rows;                        // [num_rows, model_dim]
  std::span<const TokenPosition> positions;  // [num_rows]
  std::span<const uint64_t> fingerprints;    // [num_rows]
  std::span<const uint8_t> is_visual = {};   // [num_rows]; empty: none is
  std::span<const float> key_biases = {};    // [num_rows], see SequenceRows; empty: none
  bool is_answer = false;                    // see SequenceRows
};

/// By which plan a conversation goes on. Rows computed by plans of equal digests are as good as one another.
struct ConversationPlan {
  SequencePlan sequence;
  uint64_t digest = 0;
  // What is computed of a row depends on rows behind it (pruning, a scheduler): nothing can be taken over.
  bool looks_ahead = false;
};

/// Thread safety: one thread at a time.
class Conversation {
 public:
  explicit Conversation(KvSequence kv, ConversationPlan plan = {}) : kv_(std::move(kv)), plan_(std::move(plan)) {}

  /// One that goes on by `plan`, whose digest is this one's, behind the first `num_rows` rows.
  Conversation fork(int64_t num_rows, ConversationPlan plan) const;

  const ConversationPlan& plan() const { return plan_; }
  /// Whether rows may be taken over by a conversation of this plan.
  bool can_go_on(const ConversationPlan& plan) const { return !plan.looks_ahead && plan.digest == plan_.digest; }

  /// How many of its rows, from the first, a prompt with these fingerprints has too.
  int64_t num_common_rows(std::span<const uint64_t> fingerprints) const;
  /// Whether the other one begins with all rows of this one.
  bool is_start_of(const Conversation& other) const { return other.num_common_rows(fingerprints_) == num_rows(); }
  /// Forgets all but the first `num_rows`.
  void truncate(int64_t num_rows);
  /// Runs the rows through the decoder. Returns the logits of the last ones, [num_logit_rows, vocab_size], or what
  /// Decoder::forward() does without any. Errors:
  /// those of Decoder::forward(). Holds what it held before if that fails, or throws.
  /// `trace`: see SequenceRows.
  Expected<Tensor> extend(const Decoder& decoder, ThreadPool& pool, const NewRows& more, int64_t num_logit_rows = 1,
                          std::function<bool(double fraction)> progress = {}, ForwardTrace* trace = nullptr);
  int64_t num_rows() const { return static_cast<int64_t>(fingerprints_.size()); }

  // The same where the rows of several conversations go through the decoder together.
  /// Memory for `count` more rows. Errors: kResourceExhausted.
  Status reserve(int64_t count);
  /// What Decoder::forward() is to be given for them, rows of an answer.
  SequenceRows next_rows(int64_t count, ForwardTrace* trace) {
    return {&kv_, count, &plan_.sequence, {}, {}, trace, /*is_answer=*/true};
  }
  /// They went through it.
  void commit(std::span<const uint64_t> fingerprints);

  const KvSequence& kv() const { return kv_; }

 private:
  KvSequence kv_;                       // may hold more rows after an exception
  std::vector<uint64_t> fingerprints_;  // [num_rows]
  ConversationPlan plan_;
};

}  // namespace saccade
