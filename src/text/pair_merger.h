// Merging neighbouring symbols, cheapest pair first: the core of byte-pair encoding and of SentencePiece's variant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "text/tokenizer.h"

namespace saccade {

/// A stretch of the word being encoded.
struct MergeSymbol {
  size_t begin;      // byte offset in the word
  size_t num_bytes;  // 0 once merged into its left neighbour
  TokenId token;     // -1: no token has this text
};

/// What a pair of neighbours becomes. Lower cost merges first; among equals, the leftmost.
struct PairMerge {
  float cost;
  TokenId token;
};

/// Reusable buffers of the algorithm; one per call of encode. Time O(n log n) in the number of symbols.
class PairMerger {
 public:
  std::vector<MergeSymbol>& symbols() { return symbols_; }

  /// Merges symbols() until no neighbours have a merge, and leaves what remains there, in order.
  /// `find_merge(const MergeSymbol& left, const MergeSymbol& right)` returns std::optional<PairMerge>.
  template <typename FindMerge>
  void run(const FindMerge& find_merge);

 private:
  static constexpr size_t kNone = SIZE_MAX;
  struct Candidate {
    PairMerge merge;
    size_t left, right;
    size_t num_bytes;  // of both symbols when it was queued; a symbol only grows, so another sum means it is stale
    bool operator<(const Candidate& other) const {  // std::priority_queue pops the greatest
      if (merge.cost != other.merge.cost) return merge.cost > other.merge.cost;
      return left > other.left;
    }
  };

  template <typename FindMerge>
  void consider(size_t left, size_t right, const FindMerge& find_merge) {
    if (left == kNone || right == kNone) return;
    const std::optional<PairMerge> merge = find_merge(symbols_[left], symbols_[right]);
    if (merge) queue_.push({*merge, left, right, symbols_[left].num_bytes + symbols_[right].num_bytes});
  }

  std::vector<MergeSymbol> symbols_;
  std::vector<size_t> previous_, next_;
  std::priority_queue<Candidate> queue_;
};

template <typename FindMerge>
void PairMerger::run(const FindMerge& find_merge) {
  const size_t count = symbols_.size();
  if (count < 2) return;
  previous_.resize(count);
  next_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    previous_[i] = i == 0 ? kNone : i - 1;
    next_[i] = i + 1 == count ? kNone : i + 1;
  }
  for (size_t i = 0; i + 1 < count; ++i) consider(i, i + 1, find_merge);
  while (!queue_.empty()) {
    const Candidate best = queue_.top();
    queue_.pop();
    MergeSymbol& left = symbols_[best.left];
    MergeSymbol& right = symbols_[best.right];
    if (left.num_bytes == 0 || right.num_bytes == 0 || left.num_bytes + right.num_bytes != best.num_bytes) continue;
    left.num_bytes += right.num_bytes;
    left.token = best.merge.token;
    right.num_bytes = 0;
    next_[best.left] = next_[best.right];
    if (next_[best.left] != kNone) previous_[next_[best.left]] = best.left;
    consider(previous_[best.left], best.left, find_merge);
    consider(best.left, next_[best.left], find_merge);
  }
  std::erase_if(symbols_, [](const MergeSymbol& symbol) { return symbol.num_bytes == 0; });
}

}  // namespace saccade
