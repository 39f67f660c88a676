// ToMe's bipartite soft matching (arXiv 2210.09461, section 3): which rows of a tile merge in a layer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "encoder/vit_block.h"
#include "platform/thread_pool.h"
#include "tensor/tensor.h"

namespace saccade {

/// A row that goes into another.
struct RowMerge {
  int32_t source = 0;
  int32_t target = 0;
  bool operator==(const RowMerge&) const = default;
};

/// How many pairs of a tile with `num_rows` rows merge where `num_wanted` should, at most.
int64_t num_merges(int64_t num_rows, int64_t num_class_rows, int64_t num_wanted);

/// Mean over heads of keys [num_rows, num_heads * head_dim]: [num_rows, head_dim].
Tensor mean_of_heads(const Tensor& keys, int64_t num_rows, int64_t num_heads);

/// In every one of `windows` (of one tile) the rows are dealt out alternately to A and B; each of A finds the one of B
/// with the largest cosine of `metric` [num_rows, head_dim]; of these pairs the `count` best merge, the first of
/// equals. The first `num_class_rows` of the tile stay out of it. In the order of their sources; no source is a target.
std::vector<RowMerge> match_rows(ThreadPool& pool, const Tensor& metric, std::span<const RowRange> windows,
                                 int64_t num_class_rows, int64_t count);

/// Every target of `merges` becomes the mean of itself and its sources, in the proportion of their `sizes` (before it).
/// x [num_rows, dim].
void merge_means(Tensor& x, std::span<const RowMerge> merges, std::span<const float> sizes);

/// Multiply-adds of match_rows(), about.
double match_work(std::span<const RowRange> windows, int64_t head_dim);

}  // namespace saccade
