// IPCV (arXiv 2512.18747): rows that leave a tower early, and how they come back.
#pragma once

#include <cstdint>
#include <vector>

#include "encoder/encode_plan.h"
#include "encoder/vit_block.h"
#include "platform/thread_pool.h"
#include "tensor/tensor.h"

namespace saccade {

/// Of `count` patches, how many stay.
int64_t num_kept_patches(int64_t count, double keep_share);

/// The rows of a tile that stay, ascending: its class rows, and the patches whose state changed most from `before` to
/// `now` [num_rows, vision_dim] (by its length; the first of equals).
std::vector<int32_t> most_changed(const Tensor& before, const Tensor& now, const RowRange& tile, int64_t num_class_rows,
                                  double keep_share);

/// Rows of `states` for each of `rows`: those of `among` at the least distance, nearest first, as indices of `among`.
/// All of them where there are fewer than `count`.
std::vector<std::vector<int32_t>> nearest_rows(ThreadPool& pool, const Tensor& states, const std::vector<int32_t>& rows,
                                               const std::vector<int32_t>& among, int64_t count);

}  // namespace saccade
