// How much attention each row of a tile gets: what strategies of compression rank tokens by.
#pragma once

#include <cstdint>
#include <span>

#include "encoder/vit_block.h"
#include "platform/thread_pool.h"
#include "tensor/tensor.h"

namespace saccade {

struct AttentionProbe {
  const Tensor* q = nullptr;  // [num_rows, num_heads * head_dim]
  const Tensor* k = nullptr;  // the same
  int64_t num_heads = 0;
  std::span<const float> key_bias;  // [num_rows]; empty: none
};

/// received[range] += share * the softmax over the keys of `range`, mean over the heads and `queries` (rows of q).
void add_attention_received(ThreadPool& pool, const AttentionProbe& probe, const RowRange& range,
                            std::span<const int32_t> queries, float share, std::span<float> received);

/// Rows spread evenly over `range`, at most `count` of them.
std::vector<int32_t> spread_rows(const RowRange& range, int64_t count);

}  // namespace saccade
