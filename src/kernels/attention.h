// softmax(q k^T * scale + bias) v over heads, with grouped key/value heads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "platform/thread_pool.h"
#include "tensor/dtype.h"

namespace saccade {

/// Keys and values live in blocks of tokens, so that a paged KV cache and a plain matrix are read alike. A head's row
/// of a token is head_dim values of `dtype` (kF32, kF16 or kQ8_0), contiguous.
struct KvBlocks {
  const std::byte* const* keys = nullptr;    // [num_blocks]
  const std::byte* const* values = nullptr;  // [num_blocks]
  DType dtype = DType::kF32;
  int64_t block_tokens = 0;
  int64_t token_stride = 0;  // bytes from a token of a block to the next
  int64_t head_stride = 0;   // bytes from a head of a token to the next
};

struct AttentionArgs {
  const float* q = nullptr;  // [num_queries, num_heads, head_dim], rows q_stride floats apart
  int64_t q_stride = 0;
  KvBlocks kv;
  float* out = nullptr;  // [num_queries, num_heads, head_dim], rows out_stride floats apart
  int64_t out_stride = 0;
  int64_t num_queries = 0;
  int64_t num_keys = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  float scale = 1;
  // Added to every score of a key, after the scale: the logarithm of how many keys it stands for (proportional
  // attention of ToMe, arXiv 2210.09461). Finite.
  const float* key_bias = nullptr;  // [num_keys], or null for none
  // Query i sees keys [0, first_visible + i + 1) when causal (first_visible = keys before this chunk), else all keys.
  bool is_causal = false;
  int64_t first_visible = 0;
  // [num_kv_heads]: nobody reads what comes out of the queries of those that are 0. Empty: all are read.
  std::span<const uint8_t> kv_heads = {};
  // Many queries may be multiplied in bf16, where the active ISA does that faster; else all arithmetic is f32.
  bool allows_bf16 = false;
};

/// Rows of queries times heads of a key/value head that are worked on together: who cuts the queries into several calls
/// does so at a multiple of this.
inline constexpr int64_t kAttentionBlockRows = 48;

/// Queries of one call up to which each is computed, bit for bit, as it would be alone.
inline constexpr int64_t kMaxFewQueries = 8;

void attention(ThreadPool& pool, const AttentionArgs& args);

}  // namespace saccade
