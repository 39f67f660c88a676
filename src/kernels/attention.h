// softmax(q k^T * scale) v over heads, with grouped key/value heads.
#pragma once

#include <cstdint>

#include "platform/thread_pool.h"

namespace saccade {

/// Keys and values live in blocks of rows, so that a paged KV cache and a plain matrix are read alike.
struct KvBlocks {
  const float* const* keys = nullptr;    // [num_blocks] -> [block_tokens, num_kv_heads, head_dim]
  const float* const* values = nullptr;  // the same shape
  int64_t block_tokens = 0;
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
  // Query i sees keys [0, first_visible + i + 1) when causal (first_visible = keys before this chunk), else all keys.
  bool is_causal = false;
  int64_t first_visible = 0;
};

/// Rows of queries times heads of a key/value head that are worked on together: who cuts the queries into several calls
/// does so at a multiple of this.
inline constexpr int64_t kAttentionBlockRows = 48;

void attention(ThreadPool& pool, const AttentionArgs& args);

}  // namespace saccade
