#include "decoder/layer_rows.h"

#include <algorithm>

namespace saccade {
namespace {

constexpr uint8_t kRuns = 1;
constexpr uint8_t kFreezesVisual = 2;

uint8_t mode_of(const SequencePlan* plan, int64_t layer_idx) {
  if (plan == nullptr) return kRuns;
  return static_cast<uint8_t>((plan->runs(layer_idx) ? kRuns : 0) | (plan->freezes(layer_idx) ? kFreezesVisual : 0));
}

}  // namespace

RowTracker::RowTracker(std::span<const SequenceRows> sequences) : sequences_(sequences), modes_(sequences.size(), 0) {
  int64_t num_rows = 0;
  for (const SequenceRows& sequence : sequences) {
    first_rows_.push_back(num_rows);
    num_rows += sequence.num_tokens;
  }
  states_.assign(static_cast<size_t>(num_rows), State::kActive);
}

const LayerRows& RowTracker::rows_of(int64_t layer_idx) {
  for (size_t i = 0; i < sequences_.size(); ++i) {
    const uint8_t mode = mode_of(sequences_[i].plan, layer_idx);
    is_stale_ = is_stale_ || mode != modes_[i];
    modes_[i] = mode;
  }
  if (is_stale_) build();
  is_stale_ = false;
  return rows_;
}

void RowTracker::build() {
  rows_.kv.clear();
  rows_.is_full.clear();
  rows_.segments.clear();
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if ((modes_[i] & kRuns) == 0) continue;
    const SequenceRows& sequence = sequences_[i];
    const auto begin = static_cast<int64_t>(rows_.kv.size());
    for (int64_t offset = 0; offset < sequence.num_tokens; ++offset) {
      const int64_t row = first_rows_[i] + offset;
      const State state = states_[static_cast<size_t>(row)];
      if (state == State::kPruned) continue;
      const bool is_visual = !sequence.is_visual.empty() && sequence.is_visual[static_cast<size_t>(offset)] != 0;
      const bool is_frozen = state == State::kFrozen || (is_visual && (modes_[i] & kFreezesVisual) != 0);
      rows_.kv.push_back(static_cast<int32_t>(row));
      rows_.is_full.push_back(is_frozen ? 0 : 1);
    }
    const auto end = static_cast<int64_t>(rows_.kv.size());
    if (end > begin) rows_.segments.push_back({i, begin, end});
  }
}

std::vector<int32_t> RowTracker::rows_left(size_t sequence_idx, bool visual_only) const {
  const SequenceRows& sequence = sequences_[sequence_idx];
  std::vector<int32_t> rows;
  for (int64_t offset = 0; offset < sequence.num_tokens; ++offset) {
    const int64_t row = first_rows_[sequence_idx] + offset;
    if (states_[static_cast<size_t>(row)] == State::kPruned) continue;
    if (visual_only && (sequence.is_visual.empty() || sequence.is_visual[static_cast<size_t>(offset)] == 0)) continue;
    rows.push_back(static_cast<int32_t>(row));
  }
  return rows;
}

int64_t RowTracker::num_visual(size_t sequence_idx) const {
  return std::ranges::count_if(sequences_[sequence_idx].is_visual, [](uint8_t is_visual) { return is_visual != 0; });
}

}  // namespace saccade
