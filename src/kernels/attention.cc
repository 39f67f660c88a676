// An online softmax over chunks of keys (Milakov and Gimelshein, 2018; FlashAttention, 2022): a block of queries keeps,
// for each of its rows, the largest score so far, the sum of exponentials and the weighted sum of values, all rescaled
// when a larger score comes. What a thread holds does not grow with the number of keys.
//
// The query heads that share a key/value head are rows of the same block, so that each chunk is read once for all of
// them. Many rows go through the matrix tiles of the leaf; a few (decoding) are not worth packing a chunk for.
#include "kernels/attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "kernels/leaf.h"

namespace saccade {
namespace {

constexpr int64_t kChunkKeys = 128;  // a multiple of every leaf's tile_cols
constexpr int64_t kMinTiledRows = 9;

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// The work of one thread: a block of queries of the heads that share one key/value head.
class QueryBlock {
 public:
  QueryBlock(const Leaf& leaf, const AttentionArgs& args)
      : leaf_(leaf),
        args_(args),
        group_(args.num_heads / args.num_kv_heads),
        out_dim_(round_up(args.head_dim, leaf.tile_cols)) {}

  void run(int64_t kv_head, int64_t first_query, int64_t end_query);

 private:
  int64_t visible_keys(int64_t row) const;
  void load_queries();
  void load_chunk(int64_t first_key, const float* const* blocks);
  void score_by_dots();
  void score_by_tiles();
  void weigh(int64_t first_key);
  void add_values_by_rows();
  void add_values_by_tiles();
  void write_out();

  const Leaf& leaf_;
  const AttentionArgs& args_;
  const int64_t group_;    // query heads to a key/value head
  const int64_t out_dim_;  // head_dim in whole tiles

  int64_t kv_head_ = 0;
  int64_t first_query_ = 0;
  int64_t num_rows_ = 0;  // row = (query - first_query) * group + head within the group
  int64_t num_chunk_keys_ = 0;

  std::vector<float> q_;        // [num_rows, head_dim], scaled
  std::vector<float> rows_;     // [kChunkKeys, head_dim]: this head's keys or values of the chunk
  std::vector<float> panel_;    // [head_dim or kChunkKeys, tile_cols]
  std::vector<float> scores_;   // [num_rows, kChunkKeys], then the weights
  std::vector<float> sums_;     // [num_rows, out_dim]: of weighted values
  std::vector<float> largest_;  // [num_rows]
  std::vector<float> totals_;   // [num_rows]: of weights
};

void QueryBlock::run(int64_t kv_head, int64_t first_query, int64_t end_query) {
  kv_head_ = kv_head;
  first_query_ = first_query;
  num_rows_ = (end_query - first_query) * group_;
  load_queries();
  scores_.resize(static_cast<size_t>(num_rows_ * kChunkKeys));
  sums_.assign(static_cast<size_t>(num_rows_ * out_dim_), 0.0f);
  largest_.assign(static_cast<size_t>(num_rows_), -std::numeric_limits<float>::infinity());
  totals_.assign(static_cast<size_t>(num_rows_), 0.0f);
  const bool is_tiled = num_rows_ >= kMinTiledRows;
  const int64_t num_visible = visible_keys(num_rows_ - 1);
  for (int64_t first_key = 0; first_key < num_visible; first_key += kChunkKeys) {
    num_chunk_keys_ = std::min(kChunkKeys, num_visible - first_key);
    load_chunk(first_key, args_.kv.keys);
    is_tiled ? score_by_tiles() : score_by_dots();
    weigh(first_key);
    load_chunk(first_key, args_.kv.values);
    is_tiled ? add_values_by_tiles() : add_values_by_rows();
  }
  write_out();
}

int64_t QueryBlock::visible_keys(int64_t row) const {
  if (!args_.is_causal) return args_.num_keys;
  return std::min(args_.num_keys, args_.first_visible + first_query_ + row / group_ + 1);
}

void QueryBlock::load_queries() {
  const int64_t group_floats = group_ * args_.head_dim;
  q_.resize(static_cast<size_t>(num_rows_ * args_.head_dim));
  for (int64_t query = 0; query < num_rows_ / group_; ++query) {
    const float* source = args_.q + (first_query_ + query) * args_.q_stride + kv_head_ * group_floats;
    std::copy_n(source, group_floats, q_.data() + query * group_floats);
  }
  leaf_.scale(args_.scale, q_.data(), num_rows_ * args_.head_dim);
}

/// rows_ = this head's rows of the chunk, from the blocks they lie in.
void QueryBlock::load_chunk(int64_t first_key, const float* const* blocks) {
  rows_.resize(static_cast<size_t>(kChunkKeys * args_.head_dim));
  const int64_t token_floats = args_.num_kv_heads * args_.head_dim;
  for (int64_t i = 0; i < num_chunk_keys_; ++i) {
    const int64_t key = first_key + i;
    const float* block = blocks[key / args_.kv.block_tokens];
    const float* source = block + key % args_.kv.block_tokens * token_floats + kv_head_ * args_.head_dim;
    std::copy_n(source, args_.head_dim, rows_.data() + i * args_.head_dim);
  }
}

void QueryBlock::score_by_dots() {
  const Leaf::DotRows dot_rows = leaf_.dot_rows[static_cast<size_t>(DType::kF32)];
  for (int64_t key = 0; key < num_chunk_keys_; ++key) {
    const auto* key_row = reinterpret_cast<const std::byte*>(rows_.data() + key * args_.head_dim);
    for (int64_t row = 0; row < num_rows_; row += kMaxDotRows) {
      const int count = static_cast<int>(std::min<int64_t>(kMaxDotRows, num_rows_ - row));
      float dots[kMaxDotRows];
      dot_rows(key_row, q_.data() + row * args_.head_dim, args_.head_dim, count, args_.head_dim, dots);
      for (int i = 0; i < count; ++i) scores_[static_cast<size_t>((row + i) * kChunkKeys + key)] = dots[i];
    }
  }
}

void QueryBlock::score_by_tiles() {
  panel_.resize(static_cast<size_t>(std::max(args_.head_dim, kChunkKeys) * leaf_.tile_cols));
  std::fill(scores_.begin(), scores_.end(), 0.0f);
  for (int64_t key = 0; key < num_chunk_keys_; key += leaf_.tile_cols) {
    const int num_keys = static_cast<int>(std::min<int64_t>(leaf_.tile_cols, num_chunk_keys_ - key));
    leaf_.pack_panel(rows_.data() + key * args_.head_dim, args_.head_dim, num_keys, args_.head_dim, panel_.data());
    for (int64_t row = 0; row < num_rows_; row += leaf_.tile_rows) {
      const int num_rows = static_cast<int>(std::min<int64_t>(leaf_.tile_rows, num_rows_ - row));
      leaf_.gemm_tile(num_rows, q_.data() + row * args_.head_dim, args_.head_dim, panel_.data(), args_.head_dim,
                      scores_.data() + row * kChunkKeys + key, kChunkKeys);
    }
  }
}

/// Scores become weights relative to the largest score so far; the sums follow.
void QueryBlock::weigh(int64_t first_key) {
  for (int64_t row = 0; row < num_rows_; ++row) {
    float* scores = scores_.data() + row * kChunkKeys;
    const int64_t num_seen = std::clamp<int64_t>(visible_keys(row) - first_key, 0, num_chunk_keys_);
    std::fill(scores + num_seen, scores + num_chunk_keys_, 0.0f);
    if (num_seen == 0) continue;
    float& largest = largest_[static_cast<size_t>(row)];
    float& total = totals_[static_cast<size_t>(row)];
    const float new_largest = std::max(largest, leaf_.max(scores, num_seen));
    if (new_largest > largest) {
      const float keep = std::exp(largest - new_largest);
      leaf_.scale(keep, sums_.data() + row * out_dim_, out_dim_);
      total *= keep;
      largest = new_largest;
    }
    total += leaf_.exp_sum(scores, largest, num_seen);
  }
}

void QueryBlock::add_values_by_rows() {
  for (int64_t key = 0; key < num_chunk_keys_; ++key) {
    for (int64_t row = 0; row < num_rows_; ++row) {
      const float weight = scores_[static_cast<size_t>(row * kChunkKeys + key)];
      leaf_.add_scaled(weight, rows_.data() + key * args_.head_dim, sums_.data() + row * out_dim_, args_.head_dim);
    }
  }
}

void QueryBlock::add_values_by_tiles() {
  for (int64_t col = 0; col < args_.head_dim; col += leaf_.tile_cols) {
    const int64_t num_cols = std::min<int64_t>(leaf_.tile_cols, args_.head_dim - col);
    for (int64_t key = 0; key < num_chunk_keys_; ++key) {
      float* target = panel_.data() + key * leaf_.tile_cols;
      std::copy_n(rows_.data() + key * args_.head_dim + col, num_cols, target);
      std::fill(target + num_cols, target + leaf_.tile_cols, 0.0f);
    }
    for (int64_t row = 0; row < num_rows_; row += leaf_.tile_rows) {
      const int num_rows = static_cast<int>(std::min<int64_t>(leaf_.tile_rows, num_rows_ - row));
      leaf_.gemm_tile(num_rows, scores_.data() + row * kChunkKeys, kChunkKeys, panel_.data(), num_chunk_keys_,
                      sums_.data() + row * out_dim_ + col, out_dim_);
    }
  }
}

void QueryBlock::write_out() {
  for (int64_t row = 0; row < num_rows_; ++row) {
    const float total = totals_[static_cast<size_t>(row)];
    const float* sums = sums_.data() + row * out_dim_;
    const int64_t head = kv_head_ * group_ + row % group_;
    float* out = args_.out + (first_query_ + row / group_) * args_.out_stride + head * args_.head_dim;
    const float factor = total != 0 ? 1.0f / total : 0.0f;  // zeros for a query that sees no key
    for (int64_t i = 0; i < args_.head_dim; ++i) out[i] = sums[i] * factor;
  }
}

}  // namespace

void attention(ThreadPool& pool, const AttentionArgs& args) {
  assert(args.num_kv_heads > 0 && args.num_heads % args.num_kv_heads == 0);
  const Leaf& leaf = active_leaf();
  const int64_t block_queries = std::max<int64_t>(1, kAttentionBlockRows / (args.num_heads / args.num_kv_heads));
  const int64_t num_blocks = (args.num_queries + block_queries - 1) / block_queries;
  pool.parallel_for(num_blocks * args.num_kv_heads, 1, [&](int64_t begin, int64_t end, int) {
    QueryBlock block(leaf, args);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first_query = item % num_blocks * block_queries;
      block.run(item / num_blocks, first_query, std::min(args.num_queries, first_query + block_queries));
    }
  });
}

}  // namespace saccade
