// An online softmax over chunks of keys (Milakov and Gimelshein, 2018; FlashAttention, 2022): a block of queries keeps,
// for each of its rows, the largest score so far, the sum of exponentials and the weighted sum of values, all rescaled
// when a larger score comes. What a thread holds does not grow with the number of keys.
//
// The query heads that share a key/value head are rows of the same block, so that each chunk is read once for all of
// them. Three ways to the same result: a few rows (decoding) read the cache as it lies; many go through the ISA's bf16
// tiles where it has them, else through its f32 tiles.
#include "kernels/attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "kernels/leaf.h"
#include "kernels/panel_format.h"
#include "kernels/rounding.h"
#include "kernels/scratch.h"

namespace saccade {
namespace {

constexpr int64_t kFewRowsChunk = 64;  // keys at a time, by the way
constexpr int64_t kF32Chunk = 128;     // a multiple of every leaf's tile_cols
constexpr int64_t kBf16Chunk = 512;    // keys and values of a head of 128 elements: 256 KB
constexpr int64_t kValueRows = 32;     // values made to pairs at a time
constexpr int64_t kCacheLine = 64;
constexpr int64_t kKeysAhead = 8;        // of whose rows the next ones are fetched together
constexpr int64_t kMinBf16Queries = 64;  // rows for which making panels of the keys pays

/// Multiply-adds under which one thread does it all.
constexpr int64_t kMinSharedWork = 40'000;

Scratch& thread_scratch() {
  thread_local Scratch scratch;
  return scratch;
}

/// What the three ways share: rows of queries of one key/value head, and their online softmax.
/// row = (query - first_query) * group + head within the group.
class RowBlock {
 public:
  RowBlock(const Leaf& leaf, const AttentionArgs& args)
      : leaf_(leaf),
        args_(args),
        dtype_idx_(static_cast<size_t>(args.kv.dtype)),
        group_(args.num_heads / args.num_kv_heads) {}

 protected:
  void start(int64_t kv_head, int64_t first_query, int64_t end_query) {
    kv_head_ = kv_head;
    first_query_ = first_query;
    num_rows_ = (end_query - first_query) * group_;
  }

  /// Of each row: the largest score, the sum of weights, and the weighted sum of values, `out_dim` floats apart.
  void lay_out_sums(Pieces& pieces, int64_t num_rows, int64_t out_dim) {
    out_dim_ = out_dim;
    largest_ = pieces.take<float>(num_rows);
    totals_ = pieces.take<float>(num_rows);
    sums_ = pieces.take<float>(num_rows * out_dim);
  }

  void clear_sums() {
    std::fill_n(largest_, num_rows_, -std::numeric_limits<float>::infinity());
    std::fill_n(totals_, num_rows_, 0.0f);
    std::fill_n(sums_, num_rows_ * out_dim_, 0.0f);
  }

  int64_t visible_keys(int64_t row) const {
    if (!args_.is_causal) return args_.num_keys;
    return std::min(args_.num_keys, args_.first_visible + first_query_ + row / group_ + 1);
  }

  /// Keys of [first_key, first_key + num_keys) that the row sees.
  int64_t seen_keys(int64_t row, int64_t first_key, int64_t num_keys) const {
    return std::clamp<int64_t>(visible_keys(row) - first_key, 0, num_keys);
  }

  const std::byte* stored_row(const std::byte* const* blocks, int64_t key) const {
    return blocks[key / args_.kv.block_tokens] + key % args_.kv.block_tokens * args_.kv.token_stride +
           kv_head_ * args_.kv.head_stride;
  }

  const float* query(int64_t row) const {
    return args_.q + (first_query_ + row / group_) * args_.q_stride +
           (kv_head_ * group_ + row % group_) * args_.head_dim;
  }

  /// Keys or values of a chunk as floats, `stride` apart.
  void read_rows(const std::byte* const* blocks, int64_t first_key, int64_t num_keys, float* target,
                 int64_t stride) const {
    for (int64_t i = 0; i < num_keys; ++i) {
      leaf_.dequantize[dtype_idx_](stored_row(blocks, first_key + i), target + i * stride, args_.head_dim);
    }
  }

  /// The row's scores against the keys from `first_key` on become weights relative to the largest score so far; its
  /// sums follow.
  void weigh(int64_t row, float* scores, int64_t first_key, int64_t num_seen) {
    if (num_seen == 0) return;
    if (args_.key_bias != nullptr) leaf_.add_scaled(1.0f, args_.key_bias + first_key, scores, num_seen);
    const float new_largest = std::max(largest_[row], leaf_.max(scores, num_seen));
    if (new_largest > largest_[row]) {
      const float keep = std::exp(largest_[row] - new_largest);
      leaf_.scale(keep, sums_ + row * out_dim_, out_dim_);
      totals_[row] *= keep;
      largest_[row] = new_largest;
    }
    totals_[row] += leaf_.exp_sum(scores, largest_[row], num_seen);
  }

  void write_out() const {
    for (int64_t row = 0; row < num_rows_; ++row) {
      const float* sums = sums_ + row * out_dim_;
      const int64_t head = kv_head_ * group_ + row % group_;
      float* out = args_.out + (first_query_ + row / group_) * args_.out_stride + head * args_.head_dim;
      const float factor = totals_[row] != 0 ? 1.0f / totals_[row] : 0.0f;  // zeros for a query that sees no key
      for (int64_t i = 0; i < args_.head_dim; ++i) out[i] = sums[i] * factor;
    }
  }

  const Leaf& leaf_;
  const AttentionArgs& args_;
  const size_t dtype_idx_;
  const int64_t group_;  // query heads to a key/value head
  int64_t kv_head_ = 0;
  int64_t first_query_ = 0;
  int64_t num_rows_ = 0;
  int64_t out_dim_ = 0;
  float* largest_ = nullptr;
  float* totals_ = nullptr;
  float* sums_ = nullptr;
};

/// A few rows: each key is dotted with all of them as it is read, each value added to all.
class FewRows : RowBlock {
 public:
  using RowBlock::RowBlock;

  void run(int64_t kv_head, int64_t first_query, int64_t end_query) {
    start(kv_head, first_query, end_query);
    Pieces sizes(nullptr);
    lay_out(sizes);
    Pieces pieces(thread_scratch().reserve(sizes.used()));
    lay_out(pieces);
    clear_sums();
    for (int64_t row = 0; row < num_rows_; ++row) std::copy_n(query(row), args_.head_dim, q_ + row * args_.head_dim);
    leaf_.scale(args_.scale, q_, num_rows_ * args_.head_dim);
    const int64_t num_visible = visible_keys(num_rows_ - 1);
    for (int64_t first_key = 0; first_key < num_visible;) {
      // A chunk ends where its block does, so that its rows are at one distance.
      const int64_t left_in_block = args_.kv.block_tokens - first_key % args_.kv.block_tokens;
      const int64_t num_keys = std::min({kFewRowsChunk, left_in_block, num_visible - first_key});
      add_chunk(first_key, num_keys);
      first_key += num_keys;
    }
    write_out();
  }

 private:
  void lay_out(Pieces& pieces) {
    lay_out_sums(pieces, num_rows_, args_.head_dim);
    q_ = pieces.take<float>(num_rows_ * args_.head_dim);
    scores_ = pieces.take<float>(num_rows_ * kFewRowsChunk);
  }

  void add_chunk(int64_t first_key, int64_t num_keys) {
    const std::byte* keys = stored_row(args_.kv.keys, first_key);
    const std::byte* values = stored_row(args_.kv.values, first_key);
    // What is read next is in another block, or a head's distance away: no stride that the machine would guess.
    const int64_t stride = args_.kv.token_stride;
    const std::byte* next_keys = stored_row(args_.kv.keys, std::min(first_key + num_keys, args_.num_keys - 1));
    for (int64_t key = 0; key < num_keys; key += kKeysAhead) {
      const int64_t count = std::min(kKeysAhead, num_keys - key);
      for (int64_t byte = key * stride; byte < (key + count) * stride; byte += kCacheLine) {
        __builtin_prefetch(values + byte);
        __builtin_prefetch(next_keys + byte);
      }
      leaf_.dot_all[dtype_idx_](keys + key * stride, stride, count, q_, args_.head_dim, num_rows_, args_.head_dim,
                                scores_ + key, kFewRowsChunk);
    }
    for (int64_t row = 0; row < num_rows_; ++row) {
      float* scores = scores_ + row * kFewRowsChunk;
      const int64_t num_seen = seen_keys(row, first_key, num_keys);
      weigh(row, scores, first_key, num_seen);
      leaf_.add_rows[dtype_idx_](values, args_.kv.token_stride, num_seen, scores, sums_ + row * out_dim_,
                                 args_.head_dim);
    }
  }

  float* q_ = nullptr;       // [num_rows, head_dim], scaled
  float* scores_ = nullptr;  // [num_rows, kFewRowsChunk], then the weights
};

/// Many rows in f32: chunks of keys and values as panels of the leaf's gemm_tile.
class F32Rows : RowBlock {
 public:
  using RowBlock::RowBlock;

  void run(int64_t kv_head, int64_t first_query, int64_t end_query) {
    start(kv_head, first_query, end_query);
    Pieces sizes(nullptr);
    lay_out(sizes);
    Pieces pieces(thread_scratch().reserve(sizes.used()));
    lay_out(pieces);
    clear_sums();
    for (int64_t row = 0; row < num_rows_; ++row) std::copy_n(query(row), args_.head_dim, q_ + row * args_.head_dim);
    leaf_.scale(args_.scale, q_, num_rows_ * args_.head_dim);
    const int64_t num_visible = visible_keys(num_rows_ - 1);
    for (int64_t first_key = 0; first_key < num_visible; first_key += kF32Chunk) {
      const int64_t num_keys = std::min(kF32Chunk, num_visible - first_key);
      read_rows(args_.kv.keys, first_key, num_keys, rows_, args_.head_dim);
      score(num_keys);
      for (int64_t row = 0; row < num_rows_; ++row) {
        float* scores = scores_ + row * kF32Chunk;
        const int64_t num_seen = seen_keys(row, first_key, num_keys);
        std::fill(scores + num_seen, scores + num_keys, 0.0f);
        weigh(row, scores, first_key, num_seen);
      }
      read_rows(args_.kv.values, first_key, num_keys, rows_, args_.head_dim);
      add_values(num_keys);
    }
    write_out();
  }

 private:
  void lay_out(Pieces& pieces) {
    lay_out_sums(pieces, num_rows_, round_up(args_.head_dim, leaf_.tile_cols));
    q_ = pieces.take<float>(num_rows_ * args_.head_dim);
    rows_ = pieces.take<float>(kF32Chunk * args_.head_dim);
    panel_ = pieces.take<float>(std::max(args_.head_dim, kF32Chunk) * leaf_.tile_cols);
    scores_ = pieces.take<float>(num_rows_ * kF32Chunk);
  }

  void score(int64_t num_keys) {
    std::fill_n(scores_, num_rows_ * kF32Chunk, 0.0f);
    for (int64_t key = 0; key < num_keys; key += leaf_.tile_cols) {
      const int count = static_cast<int>(std::min<int64_t>(leaf_.tile_cols, num_keys - key));
      leaf_.pack_panel(rows_ + key * args_.head_dim, args_.head_dim, count, args_.head_dim, panel_);
      multiply(q_, args_.head_dim, args_.head_dim, scores_ + key, kF32Chunk);
    }
  }

  void add_values(int64_t num_keys) {
    for (int64_t col = 0; col < args_.head_dim; col += leaf_.tile_cols) {
      const int64_t num_cols = std::min<int64_t>(leaf_.tile_cols, args_.head_dim - col);
      for (int64_t key = 0; key < num_keys; ++key) {
        float* target = panel_ + key * leaf_.tile_cols;
        std::copy_n(rows_ + key * args_.head_dim + col, num_cols, target);
        std::fill(target + num_cols, target + leaf_.tile_cols, 0.0f);
      }
      multiply(scores_, kF32Chunk, num_keys, sums_ + col, out_dim_);
    }
  }

  /// y += x * panel, all rows.
  void multiply(const float* x, int64_t x_stride, int64_t k, float* y, int64_t y_stride) const {
    for (int64_t row = 0; row < num_rows_; row += leaf_.tile_rows) {
      const int count = static_cast<int>(std::min<int64_t>(leaf_.tile_rows, num_rows_ - row));
      leaf_.gemm_tile(count, x + row * x_stride, x_stride, panel_, k, y + row * y_stride, y_stride);
    }
  }

  float* q_ = nullptr;       // [num_rows, head_dim], scaled
  float* rows_ = nullptr;    // [kF32Chunk, head_dim]: keys or values of the chunk
  float* panel_ = nullptr;   // [head_dim or kF32Chunk, tile_cols]
  float* scores_ = nullptr;  // [num_rows, kF32Chunk], then the weights
};

/// Many rows in bf16: a chunk's keys and values become panels once, and tiles of all rows pass over them.
class Bf16RowsBlock : RowBlock {
 public:
  using RowBlock::RowBlock;

  void run(int64_t kv_head, int64_t first_query, int64_t end_query) {
    start(kv_head, first_query, end_query);
    padded_dim_ = round_up(args_.head_dim, kPanelBlock);
    Pieces sizes(nullptr);
    lay_out(sizes);
    Pieces pieces(thread_scratch().reserve(sizes.used()));
    lay_out(pieces);
    clear_sums();
    for (int64_t row = 0; row < num_rows_; ++row) {
      std::copy_n(query(row), args_.head_dim, rows_);
      leaf_.scale(args_.scale, rows_, args_.head_dim);
      leaf_.round_row(rows_, args_.head_dim, padded_dim_, row, q_);
    }
    if (leaf_.begin_bf16_tiles != nullptr) leaf_.begin_bf16_tiles();
    const int64_t num_visible = visible_keys(num_rows_ - 1);
    for (int64_t first_key = 0; first_key < num_visible; first_key += kBf16Chunk) {
      const int64_t num_keys = std::min(kBf16Chunk, num_visible - first_key);
      pack_keys(first_key, num_keys);
      pack_values(first_key, num_keys);
      for (int64_t row = 0; row < num_rows_; row += leaf_.bf16_tile_rows) add_tile(row, first_key, num_keys);
    }
    if (leaf_.end_bf16_tiles != nullptr) leaf_.end_bf16_tiles();
    write_out();
  }

 private:
  static constexpr int64_t kValuePanelBytes = kBf16Chunk * kPanelRows * 2;

  int64_t key_panel_bytes() const { return padded_dim_ * kPanelRows * 2; }
  int64_t num_value_panels() const { return out_dim_ / kPanelRows; }

  void lay_out(Pieces& pieces) {
    const int64_t padded_rows = round_up(num_rows_, kMaxPanelTileRows);
    lay_out_sums(pieces, padded_rows, round_up(args_.head_dim, kPanelRows));
    q_ = pieces.take<uint16_t>(padded_rows * padded_dim_);
    rows_ = pieces.take<float>(kValueRows * out_dim_);
    keys_ = pieces.take<std::byte>(kBf16Chunk / kPanelRows * key_panel_bytes());
    values_ = pieces.take<std::byte>(num_value_panels() * kValuePanelBytes);
    scores_ = pieces.take<float>(kMaxPanelTileRows * kBf16Chunk);
    weights_ = pieces.take<uint16_t>(kMaxPanelTileRows * kBf16Chunk);
    products_ = pieces.take<float>(kMaxPanelTileRows * out_dim_);
  }

  void pack_keys(int64_t first_key, int64_t num_keys) {
    for (int64_t key = 0; key < num_keys; key += kPanelRows) {
      const int64_t count = std::min<int64_t>(kPanelRows, num_keys - key);
      read_rows(args_.kv.keys, first_key + key, count, rows_, args_.head_dim);
      leaf_.pack_bf16_rows(rows_, args_.head_dim, static_cast<int>(count), args_.head_dim, padded_dim_,
                           keys_ + key / kPanelRows * key_panel_bytes());
    }
  }

  void pack_values(int64_t first_key, int64_t num_keys) {
    for (int64_t key = 0; key < num_keys; key += kValueRows) {
      const int64_t count = std::min(kValueRows, num_keys - key);
      read_rows(args_.kv.values, first_key + key, count, rows_, args_.head_dim);
      for (int64_t panel = 0; panel < num_value_panels(); ++panel) {
        const int64_t num_cols = std::min<int64_t>(kPanelRows, args_.head_dim - panel * kPanelRows);
        leaf_.pack_bf16_columns(rows_ + panel * kPanelRows, args_.head_dim, count, kValueRows,
                                static_cast<int>(num_cols), values_ + panel * kValuePanelBytes + key * kPanelRows * 2);
      }
    }
  }

  /// Rows [first_row, first_row + bf16_tile_rows): scores, weights, values.
  void add_tile(int64_t first_row, int64_t first_key, int64_t num_keys) {
    const int64_t count = std::min<int64_t>(leaf_.bf16_tile_rows, num_rows_ - first_row);
    const int64_t num_seen = seen_keys(first_row + count - 1, first_key, num_keys);
    if (num_seen == 0) return;
    const int64_t padded_keys = round_up(num_seen, kPanelBlock);
    const Bf16Rows q = {q_ + first_row * padded_dim_, padded_dim_, static_cast<int>(count)};
    const auto num_key_panels = static_cast<int>(ceil_div(num_seen, kPanelRows));
    leaf_.bf16_tile(q, {keys_, key_panel_bytes(), num_key_panels}, scores_, kBf16Chunk);
    for (int64_t i = 0; i < count; ++i) {
      float* scores = scores_ + i * kBf16Chunk;
      const int64_t row_seen = seen_keys(first_row + i, first_key, num_seen);
      weigh(first_row + i, scores, first_key, row_seen);
      leaf_.round_row(scores, row_seen, padded_keys, i, weights_);
    }
    const Bf16Rows weights = {weights_, padded_keys, static_cast<int>(count)};
    leaf_.bf16_tile(weights, {values_, kValuePanelBytes, static_cast<int>(num_value_panels())}, products_, out_dim_);
    leaf_.add_scaled(1.0f, products_, sums_ + first_row * out_dim_, count * out_dim_);
  }

  int64_t padded_dim_ = 0;
  uint16_t* q_ = nullptr;        // [num_rows, padded_dim] in groups of 16, scaled
  float* rows_ = nullptr;        // [kValueRows, head_dim]
  std::byte* keys_ = nullptr;    // panels of 16 keys
  std::byte* values_ = nullptr;  // panels of 16 elements of the values
  float* scores_ = nullptr;      // [tile rows, kBf16Chunk]
  uint16_t* weights_ = nullptr;  // the same in bf16, in groups of 16
  float* products_ = nullptr;    // [tile rows, out_dim]
};

/// Queries in blocks of `block_queries`, every key/value head: shared by the threads.
template <typename Block>
void run_blocks(ThreadPool& pool, const Leaf& leaf, const AttentionArgs& args, int64_t block_queries) {
  const int64_t num_blocks = ceil_div(args.num_queries, block_queries);
  const int64_t num_items = num_blocks * args.num_kv_heads;
  const bool is_shared = args.num_queries * args.num_keys * args.num_heads * args.head_dim >= kMinSharedWork;
  pool.parallel_for(num_items, is_shared ? 1 : num_items, [&](int64_t begin, int64_t end, int) {
    Block block(leaf, args);
    for (int64_t item = begin; item < end; ++item) {
      const auto kv_head = static_cast<size_t>(item / num_blocks);
      if (!args.kv_heads.empty() && args.kv_heads[kv_head] == 0) continue;
      const int64_t first_query = item % num_blocks * block_queries;
      block.run(item / num_blocks, first_query, std::min(args.num_queries, first_query + block_queries));
    }
  });
}

}  // namespace

void attention(ThreadPool& pool, const AttentionArgs& args) {
  assert(args.num_kv_heads > 0 && args.num_heads % args.num_kv_heads == 0);
  const Leaf& leaf = active_leaf();
  const int64_t group = args.num_heads / args.num_kv_heads;
  const int64_t num_rows = args.num_queries * group;
  if (args.num_queries <= kMaxFewQueries) return run_blocks<FewRows>(pool, leaf, args, args.num_queries);
  if (!args.allows_bf16 || leaf.bf16_tile == nullptr || num_rows < kMinBf16Queries) {
    return run_blocks<F32Rows>(pool, leaf, args, std::max<int64_t>(1, kAttentionBlockRows / group));
  }
  // As few blocks of queries as keep the threads busy: each makes its own panels of the keys and values.
  const int64_t num_parts = std::min(ceil_div(2 * pool.num_threads(), args.num_kv_heads), num_rows / kMinBf16Queries);
  run_blocks<Bf16RowsBlock>(pool, leaf, args, ceil_div(args.num_queries, std::max<int64_t>(1, num_parts)));
}

}  // namespace saccade
