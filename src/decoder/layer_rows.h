// Which rows of a forward a layer computes: whole, as keys and values alone, or not at all.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decoder/kv_cache.h"
#include "decoder/sequence_plan.h"

namespace saccade {

/// What a forward computed of a sequence.
struct ForwardTrace {
  double multiply_adds = 0;
  int64_t num_tokens = 0;         // that were given
  std::vector<int64_t> num_rows;  // [num_layers]: of these, how many went through each layer
  bool was_pruned = false;
  std::vector<int32_t> visual_kept;  // rows of the forward that the last pruning left, ascending
};

/// The next rows of one sequence.
struct SequenceRows {
  KvSequence* kv = nullptr;  // grows by num_tokens
  int64_t num_tokens = 0;
  SequencePlan* plan = nullptr;             // null: all layers, all rows. A scheduler writes to it
  std::span<const uint8_t> is_visual = {};  // [num_tokens]; empty: none is
  // [num_tokens]: added to the scores of their keys, the logarithm of how many tokens each stands for; empty: none.
  std::span<const float> key_biases = {};
  ForwardTrace* trace = nullptr;  // added to, where given
  bool is_answer = false;         // rows may leave early, where the plan lets them
};

/// The rows of a layer that belong to one sequence: keys and values are computed of all, the rest of some.
struct LayerSegment {
  size_t sequence_idx = 0;
  int64_t kv_begin = 0;  // in LayerRows::kv
  int64_t kv_end = 0;
};

/// Rows of the forward, ascending.
struct LayerRows {
  std::vector<int32_t> kv;       // of which keys and values are computed
  std::vector<uint8_t> is_full;  // [kv.size()]: which of them go through the layer; the others stay as they are
  std::vector<LayerSegment> segments;
};

/// Follows the rows of a forward from layer to layer. Thread safety: one thread.
class RowTracker {
 public:
  explicit RowTracker(std::span<const SequenceRows> sequences);

  /// Of the layer; the reference holds until the next call.
  const LayerRows& rows_of(int64_t layer_idx);

  int64_t first_row(size_t sequence_idx) const { return first_rows_[sequence_idx]; }
  /// Rows of the sequence that are not pruned, visual ones alone if asked for.
  std::vector<int32_t> rows_left(size_t sequence_idx, bool visual_only) const;
  int64_t num_visual(size_t sequence_idx) const;

  /// From here on the row is in no layer.
  void prune(int32_t row) { set_state(row, State::kPruned); }
  /// From here on the row stays as it is: later layers get its keys and values.
  void freeze(int32_t row) { set_state(row, State::kFrozen); }
  bool is_active(int32_t row) const { return states_[static_cast<size_t>(row)] == State::kActive; }
  /// A plan was written to.
  void plans_changed() { is_stale_ = true; }

 private:
  enum class State : uint8_t { kActive, kFrozen, kPruned };

  void set_state(int32_t row, State state) {
    states_[static_cast<size_t>(row)] = state;
    is_stale_ = true;
  }
  void build();

  const std::span<const SequenceRows> sequences_;
  std::vector<int64_t> first_rows_;  // [num_sequences]
  std::vector<State> states_;        // [num_rows]
  LayerRows rows_;
  std::vector<uint8_t> modes_;  // of each sequence, that rows_ was built for: bit 0 runs, bit 1 freezes visual rows
  bool is_stale_ = true;
};

}  // namespace saccade
