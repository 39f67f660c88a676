// Keys and values of past tokens, in blocks, per layer and per sequence.
//
// Every layer of every sequence has its own list of blocks and knows which rows of the sequence it holds, so that a
// sequence may skip layers or hold fewer tokens in some of them than in others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/attention.h"
#include "saccade/status.h"
#include "tensor/tensor.h"

namespace saccade {

/// What a token leaves behind in a layer: for each key/value head a row of keys and one of values.
struct KvShape {
  int64_t num_heads = 0;
  int64_t head_dim = 0;
  DType dtype = DType::kF32;  // kF32, kF16 or, where head_dim is a multiple of 32, kQ8_0

  int64_t row_bytes() const { return saccade::row_bytes(dtype, head_dim); }
};

class KvSequence;

/// Memory for blocks, shared by all sequences of one model. Blocks are allocated when first needed and kept for reuse.
/// Thread safety: any thread.
class KvBlockPool {
 public:
  static constexpr int64_t kBlockTokens = 64;

  /// At most `max_bytes` are ever taken.
  KvBlockPool(const KvShape& shape, uint64_t max_bytes);

  const KvShape& shape() const { return shape_; }
  uint64_t block_bytes() const;  // keys and values of kBlockTokens tokens
  uint64_t taken_bytes() const;  // of memory, by blocks in use and by those kept for reuse

  /// Of these, by those kept for reuse.
  uint64_t free_bytes() const;

  /// A block of [2, num_heads, kBlockTokens] rows: keys, then values. kResourceExhausted when max_bytes are in use.
  Expected<std::byte*> take();
  /// One more holder of a block that is taken: it is free once all have given it back.
  void share(std::byte* block);
  void give_back(std::byte* block);
  bool is_shared(std::byte* block) const;

  /// What is wrong where `holders` are all the sequences there are; empty: nothing. For tests.
  std::string find_fault(std::span<const KvSequence* const> holders) const;

 private:
  const KvShape shape_;
  const uint64_t max_bytes_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<Tensor> blocks_;
  std::vector<std::byte*> free_;
  std::unordered_map<std::byte*, int> num_holders_;  // of those that are taken
};

/// One sequence's cache. Gives its blocks back when destroyed. Sequences that begin alike may share blocks (fork()): a
/// block that others hold, too, is copied before it is written to. Thread safety: one thread at a time.
class KvSequence {
 public:
  KvSequence(std::shared_ptr<KvBlockPool> pool, int64_t num_layers);
  ~KvSequence();
  KvSequence(KvSequence&&) noexcept = default;
  /// Swaps: the other one gives back what this one held.
  KvSequence& operator=(KvSequence&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(layers_, other.layers_);
    std::swap(num_rows_, other.num_rows_);
    return *this;
  }

  /// A sequence of the first `num_rows` rows of this one, which shares their blocks.
  KvSequence fork(int64_t num_rows) const;

  /// Rows of the sequence so far, whether or not a layer holds them.
  int64_t num_rows() const { return num_rows_; }
  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }
  /// Tokens that a layer holds.
  int64_t num_tokens(int64_t layer_idx) const {
    return static_cast<int64_t>(layers_[static_cast<size_t>(layer_idx)].rows.size());
  }

  uint64_t num_blocks() const;

  /// Room for `count` more tokens in one layer; what the layer holds is the same on an error.
  Status reserve(int64_t layer_idx, int64_t count);
  /// Rounds the keys and values of these rows [rows.size(), num_heads * head_dim], contiguous, to the cache's type
  /// behind what the layer holds. The rows ascend and come after those; reserve() must have made room. `biases`
  /// [rows.size()] are added to the scores of these keys; empty: none.
  void append(int64_t layer_idx, std::span<const int32_t> rows, const float* keys, const float* values,
              std::span<const float> biases = {});
  /// Counts the rows that the layers were given (or not) as part of the sequence.
  void advance(int64_t count) { num_rows_ += count; }
  /// Forgets all but the first `num_rows` rows in every layer.
  void truncate(int64_t num_rows);

  /// Valid until the next reserve() or truncate().
  KvBlocks blocks(int64_t layer_idx) const;
  /// [num_tokens(layer_idx)], or null where no token has one. Valid until the next append() or truncate().
  const float* biases(int64_t layer_idx) const;

 private:
  struct Layer {
    std::vector<std::byte*> keys;    // one pointer per block
    std::vector<std::byte*> values;  // into the same blocks
    std::vector<int32_t> rows;       // of the sequence, ascending: one for each token held
    std::vector<float> biases;       // the same; empty where there is none
  };
  void keep_blocks(Layer& layer, size_t count);  // gives back those after the first `count`
  Status own_last_block(Layer& layer);
  friend class KvBlockPool;

  std::shared_ptr<KvBlockPool> pool_;
  std::vector<Layer> layers_;
  int64_t num_rows_ = 0;
};

}  // namespace saccade
