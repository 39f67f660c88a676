#include "kernels/attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/leaf.h"

namespace saccade {
namespace {

/// Keys whose scores are held at once.
constexpr int64_t kChunkKeys = 256;

/// One head of one query: an online softmax over chunks of keys (Milakov and Gimelshein, 2018; FlashAttention).
void attend_one(const Leaf& leaf, const AttentionArgs& args, int64_t query, int64_t head) {
  const int64_t kv_head = head / (args.num_heads / args.num_kv_heads);
  const int64_t token_stride = args.num_kv_heads * args.head_dim;
  const int64_t visible = args.is_causal ? std::min(args.num_keys, args.first_visible + query + 1) : args.num_keys;
  const float* q = args.q + query * args.q_stride + head * args.head_dim;
  float* out = args.out + query * args.out_stride + head * args.head_dim;
  const Leaf::DotRows dot = leaf.dot_rows[static_cast<size_t>(DType::kF32)];
  const auto row_of = [&](const float* const* blocks, int64_t key) {
    return blocks[key / args.kv.block_tokens] + key % args.kv.block_tokens * token_stride + kv_head * args.head_dim;
  };
  std::fill(out, out + args.head_dim, 0.0f);
  float largest = -std::numeric_limits<float>::infinity();
  float total = 0;
  float scores[kChunkKeys];
  for (int64_t first = 0; first < visible; first += kChunkKeys) {
    const int64_t count = std::min(kChunkKeys, visible - first);
    for (int64_t i = 0; i < count; ++i) {
      dot(reinterpret_cast<const std::byte*>(q), row_of(args.kv.keys, first + i), 0, 1, args.head_dim, &scores[i]);
    }
    leaf.scale(args.scale, scores, count);
    const float new_largest = std::max(largest, leaf.max(scores, count));
    const float keep = std::exp(largest - new_largest);
    leaf.scale(keep, out, args.head_dim);
    total = total * keep + leaf.exp_sum(scores, new_largest, count);
    for (int64_t i = 0; i < count; ++i) {
      leaf.add_scaled(scores[i], row_of(args.kv.values, first + i), out, args.head_dim);
    }
    largest = new_largest;
  }
  leaf.scale(total > 0 ? 1.0f / total : 0.0f, out, args.head_dim);
}

}  // namespace

void attention(ThreadPool& pool, const AttentionArgs& args) {
  assert(args.num_heads % args.num_kv_heads == 0);
  const Leaf& leaf = active_leaf();
  pool.parallel_for(args.num_queries * args.num_heads, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      attend_one(leaf, args, item % args.num_queries, item / args.num_queries);
    }
  });
}

}  // namespace saccade
